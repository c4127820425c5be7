#include "loadgen/adapter.h"

extern const struct adapter adapter_confab, adapter_whip, adapter_whep, adapter_janus, adapter_livekit, adapter_galene,
    adapter_mediasoup, adapter_openvidu, adapter_exec, adapter_jitsi, adapter_openvidu2;

const struct adapter *const adapters[] = {&adapter_confab,  &adapter_whip,   &adapter_whep,      &adapter_janus,
                                          &adapter_livekit, &adapter_galene, &adapter_mediasoup, &adapter_openvidu,
                                          &adapter_exec,    &adapter_jitsi,  &adapter_openvidu2, NULL};
