#include "report/chart.h"

#include <math.h>

#include "report/html.h"

/* In the SVG's own units, which a browser stretches to the figure's width. */
enum { WIDTH = 480, HEIGHT = 230, LEFT = 56, RIGHT = 8, TOP = 10, BOTTOM = 28, Y_TICKS = 4, X_LABELS = 7 };
#define PLOT_WIDTH (WIDTH - LEFT - RIGHT)
#define PLOT_HEIGHT (HEIGHT - TOP - BOTTOM)

const char CHART_STYLE[] =
    ":root{--c1:#2563c9;--c2:#c2500a;--c3:#2b7a4b;--c4:#8a3ec4}\n"
    "figure{margin:0;padding:.7em;border:1px solid var(--line);border-radius:6px;min-width:0;position:relative}\n"
    "figcaption{font-weight:600}figure svg{width:100%;height:auto;display:block;touch-action:pan-y}\n"
    "figure svg:focus-visible{outline:2px solid var(--c1)}\n"
    "svg text{font:14px system-ui,sans-serif;fill:var(--soft)}svg .grid{stroke:var(--line)}\n"
    "svg polyline{fill:none;stroke-width:2;stroke-linejoin:round}svg .at{stroke:var(--soft);stroke-dasharray:3}\n"
    ".l1{stroke:var(--c1)}.l2{stroke:var(--c2)}.l3{stroke:var(--c3)}.l4{stroke:var(--c4)}\n"
    "rect.l1,circle.l1{fill:var(--c1)}rect.l2,circle.l2{fill:var(--c2)}rect.l3,circle.l3{fill:var(--c3)}\n"
    "rect.l4,circle.l4{fill:var(--c4)}polyline.l2{stroke-dasharray:7 3}polyline.l4{stroke-dasharray:2 3}\n"
    ".legend span{margin-right:1em;white-space:nowrap}.legend svg{width:1.6em;height:.8em;display:inline}\n"
    "figure output{display:block;min-height:1.4em;color:var(--soft);font-variant-numeric:tabular-nums}\n"
    "@media(prefers-color-scheme:dark){:root{--c1:#7fb0ff;--c2:#ffab6b;--c3:#74d19a;--c4:#cf9cff}}\n";

const char CHART_SCRIPT[] =
    "for(const f of document.querySelectorAll('figure[data-y]')){\n"
    "  const svg=f.querySelector('svg.plot'),at=f.querySelector('.at'),out=f.querySelector('output');\n"
    "  const names=f.dataset.names.split('|'),lines=f.dataset.lines.split('|');\n"
    "  const y=f.dataset.y.split('|').map(l=>l.split(' ')),x=f.dataset.x.split(' ').map(Number);\n"
    "  let i=-1;\n"
    "  const show=n=>{i=Math.max(0,Math.min(x.length-1,n));at.setAttribute('x1',x[i]);at.setAttribute('x2',x[i]);\n"
    "    at.removeAttribute('visibility');\n"
    "    out.textContent=names[i]+': '+lines.map((l,k)=>(lines.length>1?l+' ':'')+y[k][i]).join(', ')+' '+f.dataset.unit};\n"
    "  svg.addEventListener('pointermove',e=>{const b=svg.getBoundingClientRect();\n"
    "    const px=(e.clientX-b.left)*svg.viewBox.baseVal.width/b.width;let n=0;\n"
    "    x.forEach((v,k)=>{if(Math.abs(v-px)<Math.abs(x[n]-px))n=k});show(n)});\n"
    "  svg.addEventListener('keydown',e=>{const d={ArrowLeft:-1,ArrowRight:1}[e.key];if(d){show(i+d);e.preventDefault()}});\n"
    "}\n";

/* 1, 2 or 5 times a power of ten: what four or so of make `range`. */
static double nice_step(double range)
{
    double power = pow(10, floor(log10(range / Y_TICKS)));
    double part = range / Y_TICKS / power;
    return power * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

static double highest(const struct chart *chart)
{
    double most = 0;
    for (size_t l = 0; l < chart->line_count; l++) {
        for (size_t i = 0; i < chart->count; i++)
            most = fmax(most, chart->lines[l].y[i]); /* of a number and NAN it is the number */
    }
    return most;
}

static double x_of(const struct chart *chart, size_t i)
{
    if (chart->bars || chart->count == 1)
        return LEFT + PLOT_WIDTH * ((double)i + 0.5) / (double)chart->count;
    return LEFT + PLOT_WIDTH * (double)i / (double)(chart->count - 1);
}

static double y_of(double value, double top) { return TOP + PLOT_HEIGHT * (1 - value / top); }

/* Steps between labels below: whole tens of seconds, minutes and so on, when steps are seconds. */
static size_t label_every(size_t count)
{
    static const size_t good[] = {1, 2, 5, 10, 15, 20, 30, 60, 120};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (count <= good[i] * X_LABELS)
            return good[i];
    }
    return (count + X_LABELS - 1) / X_LABELS;
}

static void put_axes(const struct chart *chart, double top, double step, FILE *out)
{
    for (int i = 0; i * step <= top * 1.0001; i++) {
        double value = i * step;
        fprintf(out, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%g</text>\n",
                LEFT, WIDTH - RIGHT, y_of(value, top), y_of(value, top), LEFT - 6, y_of(value, top) + 5, value);
    }
    size_t every = label_every(chart->count);
    for (size_t i = 0; i < chart->count; i += every) {
        bool first = i == 0 && !chart->bars && chart->count > 1;
        fprintf(out, "<text x=%.1f y=%d text-anchor=%s>", x_of(chart, i), HEIGHT - 8,
                first                                  ? "start"
                : x_of(chart, i) > WIDTH - 3.0 * RIGHT ? "end"
                                                       : "middle");
        html_text(out, chart->names[i]);
        fputs("</text>", out);
    }
    fputc('\n', out);
}

static void put_bars(const struct chart *chart, size_t line, double top, FILE *out)
{
    double slot = (double)PLOT_WIDTH / (double)chart->count;
    double width = slot * (chart->count > 20 ? 1 : 0.8) / (double)chart->line_count;
    for (size_t i = 0; i < chart->count; i++) {
        double value = chart->lines[line].y[i];
        double left = x_of(chart, i) + width * ((double)line - (double)chart->line_count / 2);
        if (value > 0)
            fprintf(out, "<rect class=l%zu stroke=none x=%.1f y=%.1f width=%.1f height=%.1f />", line + 1, left,
                    y_of(value, top), width, HEIGHT - BOTTOM - y_of(value, top));
    }
    fputc('\n', out);
}

/* Points beside a gap on both sides would be no line: few points are dots as well. */
static void put_line(const struct chart *chart, size_t line, double top, FILE *out)
{
    bool drawing = false;
    for (size_t i = 0; i < chart->count; i++) {
        double value = chart->lines[line].y[i];
        if (isfinite(value) && !drawing)
            fprintf(out, "<polyline class=l%zu points='", line + 1);
        if (isfinite(value))
            fprintf(out, "%.1f,%.1f ", x_of(chart, i), y_of(value, top));
        else if (drawing)
            fputs("'/>", out);
        drawing = isfinite(value);
    }
    fputs(drawing ? "'/>" : "", out);
    for (size_t i = 0; chart->count <= 20 && i < chart->count; i++) {
        if (isfinite(chart->lines[line].y[i]))
            fprintf(out, "<circle class=l%zu r=3 cx=%.1f cy=%.1f />", line + 1, x_of(chart, i),
                    y_of(chart->lines[line].y[i], top));
    }
    fputc('\n', out);
}

/* What is in the picture, in words. */
static void put_label(const struct chart *chart, FILE *out)
{
    html_text(out, chart->title);
    for (size_t l = 0; l < chart->line_count; l++) {
        double least = NAN;
        double most = NAN;
        for (size_t i = 0; i < chart->count; i++) {
            least = fmin(least, chart->lines[l].y[i]);
            most = fmax(most, chart->lines[l].y[i]);
        }
        fputs(l == 0 ? ": " : "; ", out);
        html_text(out, chart->lines[l].name);
        if (isfinite(least))
            fprintf(out, " from %.4g to %.4g %s", least, most, chart->unit);
    }
}

static void put_figures(const struct chart *chart, FILE *out)
{
    fputs(" data-unit=\"", out);
    html_text(out, chart->unit);
    fputs("\" data-x=\"", out);
    for (size_t i = 0; i < chart->count; i++)
        fprintf(out, "%s%.1f", i > 0 ? " " : "", x_of(chart, i));
    fputs("\" data-names=\"", out);
    for (size_t i = 0; i < chart->count; i++) {
        fputs(i > 0 ? "|" : "", out);
        html_text(out, chart->names[i]);
    }
    fputs("\" data-lines=\"", out);
    for (size_t l = 0; l < chart->line_count; l++) {
        fputs(l > 0 ? "|" : "", out);
        html_text(out, chart->lines[l].name);
    }
    fputs("\" data-y=\"", out);
    for (size_t l = 0; l < chart->line_count; l++) {
        fputs(l > 0 ? "|" : "", out);
        for (size_t i = 0; i < chart->count; i++)
            fprintf(out, isfinite(chart->lines[l].y[i]) ? "%s%.4g" : "%s–", i > 0 ? " " : "", chart->lines[l].y[i]);
    }
    fputs("\">", out);
}

void chart_write(const struct chart *chart, FILE *out)
{
    double most = highest(chart);
    if (chart->count == 0 || !(most > 0) || !isfinite(most))
        return;
    double step = nice_step(most);
    double top = step * ceil(most / step - 1e-9);
    fputs("<figure", out);
    put_figures(chart, out);
    fputs("<figcaption>", out);
    html_text(out, chart->title);
    fputs(chart->unit[0] != '\0' ? ", " : "", out);
    html_text(out, chart->unit);
    fprintf(out, "</figcaption>\n<svg class=plot viewBox='0 0 %d %d' role=img tabindex=0 aria-label=\"", WIDTH, HEIGHT);
    put_label(chart, out);
    fputs("\">\n", out);
    put_axes(chart, top, step, out);
    for (size_t l = 0; l < chart->line_count; l++)
        (chart->bars ? put_bars : put_line)(chart, l, top, out);
    fprintf(out, "<line class=at visibility=hidden y1=%d y2=%d /></svg>\n", TOP, HEIGHT - BOTTOM);
    if (chart->line_count > 1)
        fputs("<div class=legend>", out);
    for (size_t l = 0; chart->line_count > 1 && l < chart->line_count; l++) {
        fprintf(out, "<span><svg viewBox='0 0 32 12' aria-hidden=true>%s class=l%zu %s</svg> ",
                chart->bars ? "<rect" : "<polyline", l + 1,
                chart->bars ? "width=32 height=12 />" : "points='0,6 32,6'/>");
        html_text(out, chart->lines[l].name);
        fputs("</span>", out);
    }
    fprintf(out, "%s<output aria-live=polite></output></figure>\n", chart->line_count > 1 ? "</div>" : "");
}
