#include "loadgen/adapter.h"

const struct adapter *const adapters[] = {NULL};
