/* A load while it runs, on a terminal: some lines that are drawn anew, and keys that steer it, as SIPp's:
 *
 *     +  -   joins a second: a tenth more or fewer (at least one)
 *     p      pause joining, and go on
 *     q      quit: what was measured until then is reported
 *
 * The terminal gives keys at once and without echo while a view is open. */
#ifndef CONFAB_REPORT_LIVE_VIEW_H
#define CONFAB_REPORT_LIVE_VIEW_H

#include <stdbool.h>
#include <stdio.h>
#include <termios.h>

#include "report/load_status.h"

struct live_view {
    FILE *out;
    bool color;
    bool keys; /* the terminal gives them */
    int input;
    struct termios before;
    unsigned lines; /* drawn last */
};

/* `input`: the terminal to read keys from; −1, or what is no terminal: there are none. */
void live_view_open(struct live_view *view, FILE *out, int input, bool color);

/* Wipes what is drawn and gives the terminal back as it was. */
void live_view_close(struct live_view *view);

/* Draws over what was drawn last. Keeps within the terminal's width. */
void live_view_draw(struct live_view *view, const struct load_status *status);

enum live_view_key { LIVE_VIEW_NONE, LIVE_VIEW_FASTER, LIVE_VIEW_SLOWER, LIVE_VIEW_PAUSE, LIVE_VIEW_QUIT };

/* The next key that was pressed and means something; doesn't wait. */
enum live_view_key live_view_key(struct live_view *view);

/* What + or − makes of a rate. */
double live_view_rate(double rate, enum live_view_key key);

#endif
