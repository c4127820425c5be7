#include "report/live_view.h"

#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_CAP = 400 };

void live_view_open(struct live_view *view, FILE *out, int input, bool color)
{
    struct termios raw;
    *view = (struct live_view){.out = out, .color = color, .input = input};
    /* A background job that touched the terminal would be stopped. */
    if (input < 0 || tcgetattr(input, &view->before) != 0 || tcgetpgrp(input) != getpgrp())
        return;
    raw = view->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    view->keys = tcsetattr(input, TCSANOW, &raw) == 0;
}

static void rewind_lines(struct live_view *view)
{
    if (view->lines > 0)
        fprintf(view->out, "\033[%uA", view->lines);
    fputs("\r\033[J", view->out);
    view->lines = 0;
}

void live_view_close(struct live_view *view)
{
    rewind_lines(view);
    fflush(view->out);
    if (view->keys)
        tcsetattr(view->input, TCSANOW, &view->before);
    view->keys = false;
}

enum live_view_key live_view_key(struct live_view *view)
{
    char key;
    struct pollfd ready = {.fd = view->input, .events = POLLIN};
    while (view->keys && poll(&ready, 1, 0) > 0 && read(view->input, &key, 1) == 1) {
        switch (key) {
        case '+':
            return LIVE_VIEW_FASTER;
        case '-':
            return LIVE_VIEW_SLOWER;
        case 'p':
            return LIVE_VIEW_PAUSE;
        case 'q':
            return LIVE_VIEW_QUIT;
        default:
            break;
        }
    }
    return LIVE_VIEW_NONE;
}

double live_view_rate(double rate, enum live_view_key key)
{
    double step = fmax(round(rate / 10), 1);
    if (key == LIVE_VIEW_FASTER)
        return rate + step;
    return key == LIVE_VIEW_SLOWER ? fmax(rate - step, 1) : rate;
}

/* --- drawing ---------------------------------------------------------------------------------------------------------------- */

static int width_of(const struct live_view *view)
{
    struct winsize size;
    bool known = ioctl(fileno(view->out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known && size.ws_col < LINE_CAP ? size.ws_col : 80;
}

/* One line, cut to the terminal's width: a line that wraps could not be drawn over. */
static void put(struct live_view *view, const char *paint, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void put(struct live_view *view, const char *paint, const char *format, ...)
{
    char line[LINE_CAP];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(view->out, "%s%.*s%s\n", view->color ? paint : "", width_of(view) - 1, line,
            view->color && paint[0] != '\0' ? "\033[0m" : "");
    view->lines++;
}

static void put_bar(struct live_view *view, const char *name, uint64_t part, uint64_t whole)
{
    char bar[31];
    size_t filled =
        whole > 0 ? (size_t)fmin((double)(sizeof bar - 1) * (double)part / (double)whole, sizeof bar - 1) : 0;
    memset(bar, '.', sizeof bar - 1);
    memset(bar, '#', filled);
    bar[sizeof bar - 1] = '\0';
    put(view, "", "  %-13s [%s] %8" PRIu64, name, bar, part);
}

static void put_funnel(struct live_view *view, const struct load_counts *counts)
{
    static const char *const names[LOAD_STAGES] = {"signalled", "ICE", "DTLS", "first packet", "first frame"};
    put_bar(view, "planned", counts->joins_planned, counts->joins_planned);
    for (int i = 0; i < LOAD_STAGES; i++)
        put_bar(view, names[i], counts->stages[i], counts->joins_planned);
}

static void put_times(struct live_view *view, const char *name, const struct histogram *h)
{
    put(view, "", "%s p50 %.0f, p95 %.0f, p99 %.0f, max %.0f ms", name, histogram_quantile(h, 0.5) / 1e6,
        histogram_quantile(h, 0.95) / 1e6, histogram_quantile(h, 0.99) / 1e6, histogram_quantile(h, 1) / 1e6);
}

static void put_failures(struct live_view *view, const struct load_counts *counts, const struct load_result *load)
{
    const struct load_failure *most = &load->failures[0];
    for (uint32_t i = 1; i < load->failure_count; i++)
        most = load->failures[i].count > most->count ? &load->failures[i] : most;
    put(view, "\033[31m", "failures   %" PRIu64 ", most by %s: %s", counts->failures, most->class, most->example);
}

void live_view_draw(struct live_view *view, const struct load_status *status)
{
    const struct load_counts *c = &status->counts;
    const struct load_peaks *p = &status->peaks;
    char rate[48] = "all at once";
    if (status->rate > 0)
        snprintf(rate, sizeof rate, "%.3g joins/s", status->rate);
    rewind_lines(view);
    put(view, "\033[1m", "%s", status->server);
    put(view, "", "%" PRIu64 " s, %" PRIu64 " s to go; %s%s; %" PRIu64 " process%s", p->elapsed_ms / 1000,
        p->remaining_ms / 1000, rate, status->paused ? ", PAUSED" : "", c->processes, c->processes == 1 ? "" : "es");
    put(view, c->failed > 0 ? "\033[31m" : "",
        "clients    %" PRIu64 " of %" PRIu64 " joined, %" PRIu64 " joining, %" PRIu64 " failed", c->joined, c->planned,
        c->joining, c->failed);
    put_funnel(view, c);
    put_times(view, "joining   ", status->join);
    put_times(view, "latency   ", status->latency);
    if (c->tracks_expected > 0)
        put(view, "", "tracks     %" PRIu64 " of %" PRIu64, c->tracks_got, c->tracks_expected);
    put(view, "", "media      %.1f Mbit/s up, %.1f down; loss %.2f %%", (double)c->bytes_up * 8 / 1e6,
        (double)c->bytes_down * 8 / 1e6,
        c->packets_expected > 0 ? 100 * (double)c->packets_lost / (double)c->packets_expected : 0);
    put(view, "",
        "paths      host %" PRIu64 ", srflx %" PRIu64 ", prflx %" PRIu64 ", relay udp %" PRIu64 ", tcp %" PRIu64
        ", tls %" PRIu64,
        c->host, c->srflx, c->prflx, c->relay_udp, c->relay_tcp, c->relay_tls);
    put(view, p->overloaded != 0 ? "\033[31m" : "", "generator  CPU %.0f %%, %.1f ms late, %" PRIu64 " lost%s",
        (double)p->cpu_ppm / 1e4, (double)p->lag_us / 1e3, c->drops, p->overloaded != 0 ? ": OVERLOADED" : "");
    if (c->failures > 0 && status->load->failure_count > 0)
        put_failures(view, c, status->load);
    if (view->keys)
        put(view, "\033[2m", "+ more, - fewer joins a second; p pause; q quit");
    fflush(view->out);
}
