/* Makes the clips beside it (`make clips`): what synthetic participants show and say. Each of five people has a colour,
 * a face that nods, blinks and talks, and a voice of syllables, in a loop of four seconds:
 *
 *     NAME-180.ivf, NAME-360.ivf, NAME-720.ivf   VP8, 30 frames/s, a key frame every two seconds, temporal layers 0 2 1 2
 *     NAME.opus.ivf                              Opus frames of 20 ms and one size each, none needing another
 *     screen.ivf                                 VP8, 1080 lines: four slides, each a key frame and one that changes nothing
 *
 * In VP8 nothing refers to a frame of layer 2, and of layer 1 only the frame behind it does, by the golden frame; so
 * without layer 2, or 1 and 2, the rest decodes as it did with them (peer/clip.h). */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <opus/opus.h>
#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

enum {
    FPS = 30,
    LOOP_S = 4,
    FRAMES = LOOP_S * FPS,
    KEY_INTERVAL = 2 * FPS,
    SAMPLE_RATE = 48000,
    OPUS_SAMPLES = SAMPLE_RATE / 50,
    OPUS_PACKETS = LOOP_S * 50,
    OPUS_BYTES = 48, /* and a byte of TOC: with padding's head and the trailer below 32 kbit/s */
    SLIDES = 4,
    IVF_HEADER = 32,
    IVF_FRAME_HEADER = 12,
};

struct color {
    double r, g, b;
};

struct person {
    const char *name;
    struct color wall, shirt, skin, hair;
    double pitch_hz;
    unsigned seed;
};

static const struct person people[] = {
    {"red", {0.80, 0.32, 0.28}, {0.20, 0.25, 0.40}, {0.95, 0.78, 0.66}, {0.25, 0.15, 0.10}, 118, 3},
    {"green", {0.30, 0.62, 0.38}, {0.85, 0.80, 0.72}, {0.55, 0.36, 0.25}, {0.08, 0.07, 0.07}, 205, 11},
    {"blue", {0.28, 0.45, 0.78}, {0.75, 0.30, 0.35}, {0.88, 0.67, 0.52}, {0.80, 0.66, 0.35}, 182, 7},
    {"yellow", {0.88, 0.74, 0.30}, {0.18, 0.45, 0.42}, {0.72, 0.50, 0.36}, {0.15, 0.12, 0.12}, 98, 5},
    {"violet", {0.52, 0.36, 0.68}, {0.30, 0.32, 0.35}, {0.97, 0.82, 0.72}, {0.62, 0.28, 0.14}, 228, 2},
};

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

/* --- IVF ------------------------------------------------------------------------------------------------------------------- */

/* Its numbers have the low byte first. */
static void put_low_first(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static FILE *ivf_open(const char *path, const char *codec, unsigned width, unsigned height, unsigned rate,
                      unsigned frames)
{
    uint8_t header[IVF_HEADER] = "DKIF";
    put_low_first(header + 6, IVF_HEADER, 2);
    memcpy(header + 8, codec, 4);
    put_low_first(header + 12, width, 2);
    put_low_first(header + 14, height, 2);
    put_low_first(header + 16, rate, 4);
    put_low_first(header + 20, 1, 4);
    put_low_first(header + 24, frames, 4);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(header, sizeof header, 1, file) != 1)
        fail(path);
    return file;
}

static void ivf_write(FILE *file, const void *data, size_t len, uint64_t time)
{
    uint8_t header[IVF_FRAME_HEADER];
    put_low_first(header, len, 4);
    put_low_first(header + 4, time, 8);
    if (fwrite(header, sizeof header, 1, file) != 1 || fwrite(data, 1, len, file) != len)
        fail("can't write");
}

/* --- the picture --------------------------------------------------------------------------------------------------------------- */

static double clamp(double x) { return fmin(fmax(x, 0), 1); }

static void paint(struct color *under, struct color over, double cover)
{
    under->r += (over.r - under->r) * cover;
    under->g += (over.g - under->g) * cover;
    under->b += (over.b - under->b) * cover;
}

/* How much of a pixel of width `soft` an ellipse covers; distances in picture heights. */
static double ellipse(double x, double y, double rx, double ry, double soft)
{
    double d = (hypot(x / rx, y / ry) - 1) * fmin(rx, ry);
    return clamp(0.5 - d / soft);
}

/* The picture's color at x, y (in picture heights, from its middle) at a moment of the loop, 0 to 1. */
static struct color look(const struct person *who, double x, double y, double moment, double soft)
{
    const struct color white = {0.97, 0.97, 0.97};
    const struct color dark = {0.10, 0.08, 0.10};
    const struct color mouth = {0.45, 0.12, 0.14};
    double turn = 2 * M_PI * moment;
    struct color c = who->wall;
    double light = 1.06 - 0.22 * (y + 0.5) - 0.10 * fabs(x);
    c = (struct color){c.r * light, c.g * light, c.b * light};

    /* A clock on the wall, a turn in a loop: who sees it stand, sees a frozen picture. */
    double cx = x - 0.60;
    double cy = y + 0.28;
    paint(&c, white, ellipse(cx, cy, 0.13, 0.13, soft));
    double along = cx * sin(turn) - cy * cos(turn);
    double across = cx * cos(turn) + cy * sin(turn);
    if (along > 0)
        paint(&c, dark, clamp((0.012 - fabs(across)) / soft + 0.5) * clamp((0.105 - along) / soft + 0.5));

    double sway = 0.035 * sin(turn) + 0.012 * sin(3 * turn);
    double nod = 0.012 * sin(2 * turn + 1);
    paint(&c, who->shirt, ellipse(x - 0.4 * sway, y - 0.62, 0.46, 0.36, soft));
    x -= sway;
    y -= nod - 0.04;
    paint(&c, who->skin, ellipse(x, y - 0.24, 0.075, 0.12, soft));
    paint(&c, who->hair, ellipse(x, y + 0.05, 0.215, 0.25, soft));
    paint(&c, who->skin, ellipse(x, y, 0.18, 0.235, soft));
    paint(&c, who->hair, ellipse(x, y + 0.235, 0.17, 0.085, soft));

    double blink = fabs(moment - 0.30) < 0.02 || fabs(moment - 0.82) < 0.02 ? 0.15 : 1;
    for (int side = -1; side <= 1; side += 2) {
        double ex = x - side * 0.072;
        double ey = y + 0.03;
        paint(&c, white, ellipse(ex, ey, 0.036, 0.024 * blink, soft));
        paint(&c, dark, ellipse(ex - 0.4 * sway, ey, 0.016, 0.018 * blink, soft));
        paint(&c, who->hair, ellipse(ex, ey + 0.052 + 0.2 * nod, 0.045, 0.008, soft));
    }
    double open = 0.008 + 0.030 * fabs(sin(11 * turn) * sin(4 * turn + who->pitch_hz));
    paint(&c, mouth, ellipse(x, y - 0.125, 0.055 - 0.4 * open, open, soft));
    return c;
}

/* BT.601, 16 to 235. */
static void draw(vpx_image_t *image, const struct person *who, double moment)
{
    unsigned width = image->d_w;
    unsigned height = image->d_h;
    double soft = 1.5 / height;
    for (unsigned y = 0; y < height; y += 2) {
        for (unsigned x = 0; x < width; x += 2) {
            struct color sum = {0, 0, 0};
            for (unsigned i = 0; i < 4; i++) {
                unsigned px = x + (i & 1);
                unsigned py = y + (i >> 1);
                struct color c = look(who, (px + 0.5 - width / 2.0) / height, (py + 0.5) / height - 0.5, moment, soft);
                sum = (struct color){sum.r + c.r / 4, sum.g + c.g / 4, sum.b + c.b / 4};
                image->planes[0][py * (unsigned)image->stride[0] + px] =
                    (uint8_t)lrint(16 + 65.481 * clamp(c.r) + 128.553 * clamp(c.g) + 24.966 * clamp(c.b));
            }
            size_t at = y / 2 * (unsigned)image->stride[1] + x / 2;
            image->planes[1][at] = (uint8_t)lrint(128 - 37.797 * sum.r - 74.203 * sum.g + 112 * sum.b);
            image->planes[2][at] = (uint8_t)lrint(128 + 112 * sum.r - 93.786 * sum.g - 18.214 * sum.b);
        }
    }
}

static vpx_enc_frame_flags_t flags_of(int frame)
{
    const vpx_enc_frame_flags_t only_last =
        VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_GF | VP8_EFLAG_NO_UPD_ARF;
    switch (frame % KEY_INTERVAL % 4) {
    case 0:
        return frame % KEY_INTERVAL == 0 ? VPX_EFLAG_FORCE_KF : only_last;
    case 1:
        return only_last | VP8_EFLAG_NO_UPD_LAST | VP8_EFLAG_NO_UPD_ENTROPY;
    case 2:
        return VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_LAST | VP8_EFLAG_NO_UPD_ARF |
               VP8_EFLAG_NO_UPD_ENTROPY;
    default:
        return VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_LAST | VP8_EFLAG_NO_UPD_GF | VP8_EFLAG_NO_UPD_ARF |
               VP8_EFLAG_NO_UPD_ENTROPY;
    }
}

static vpx_codec_ctx_t encoder_open(unsigned width, unsigned height, unsigned quantizer)
{
    vpx_codec_ctx_t codec;
    vpx_codec_enc_cfg_t config;
    vpx_codec_enc_config_default(vpx_codec_vp8_cx(), &config, 0);
    config.g_w = width;
    config.g_h = height;
    config.g_timebase = (vpx_rational_t){1, FPS};
    config.g_lag_in_frames = 0;
    config.g_threads = 1;
    config.kf_mode = VPX_KF_DISABLED;
    config.rc_end_usage = VPX_VBR;
    config.rc_target_bitrate = 5000;
    config.rc_min_quantizer = config.rc_max_quantizer = quantizer;
    if (vpx_codec_enc_init(&codec, vpx_codec_vp8_cx(), &config, 0) != VPX_CODEC_OK)
        fail(vpx_codec_error(&codec));
    vpx_codec_control(&codec, VP8E_SET_CPUUSED, 0);
    return codec;
}

/* Returns the frame's size in bytes. */
static size_t encode(vpx_codec_ctx_t *codec, const vpx_image_t *image, int frame, vpx_enc_frame_flags_t flags,
                     FILE *file)
{
    size_t bytes = 0;
    if (vpx_codec_encode(codec, image, frame, 1, flags, VPX_DL_GOOD_QUALITY) != VPX_CODEC_OK)
        fail(vpx_codec_error(codec));
    vpx_codec_iter_t iter = NULL;
    for (const vpx_codec_cx_pkt_t *packet; (packet = vpx_codec_get_cx_data(codec, &iter)) != NULL;) {
        if (packet->kind != VPX_CODEC_CX_FRAME_PKT)
            continue;
        ivf_write(file, packet->data.frame.buf, packet->data.frame.sz, (uint64_t)frame);
        bytes += packet->data.frame.sz;
    }
    return bytes;
}

static void film(const struct person *who, unsigned height, unsigned quantizer)
{
    unsigned width = height * 16 / 9;
    vpx_codec_ctx_t codec = encoder_open(width, height, quantizer);
    char path[64];
    snprintf(path, sizeof path, "peer/clips/%s-%u.ivf", who->name, height);
    FILE *file = ivf_open(path, "VP80", width, height, FPS, FRAMES);
    vpx_image_t *image = vpx_img_alloc(NULL, VPX_IMG_FMT_I420, width, height, 16);
    size_t bytes = 0;
    size_t layer_bytes[4] = {0};
    for (int i = 0; i < FRAMES; i++) {
        draw(image, who, (double)i / FRAMES);
        size_t len = encode(&codec, image, i, flags_of(i), file);
        bytes += len;
        layer_bytes[i % 4] += len;
    }
    printf("%-24s %6zu kbit/s, at half the rate %zu, at a quarter %zu\n", path, bytes * 8 / LOOP_S / 1000,
           (layer_bytes[0] + layer_bytes[2]) * 8 / LOOP_S / 1000, layer_bytes[0] * 8 / LOOP_S / 1000);
    vpx_img_free(image);
    vpx_codec_destroy(&codec);
    fclose(file);
}

/* --- the slides --------------------------------------------------------------------------------------------------------------- */

static unsigned draw_number(unsigned *state) { return (*state = *state * 1103515245 + 12345) >> 16 & 0x7fff; }

static void fill(vpx_image_t *image, unsigned left, unsigned top, unsigned width, unsigned height, struct color c)
{
    const uint8_t values[3] = {(uint8_t)lrint(16 + 65.481 * c.r + 128.553 * c.g + 24.966 * c.b),
                               (uint8_t)lrint(128 - 37.797 * c.r - 74.203 * c.g + 112 * c.b),
                               (uint8_t)lrint(128 + 112 * c.r - 93.786 * c.g - 18.214 * c.b)};
    for (int plane = 0; plane < 3; plane++) {
        unsigned half = plane > 0;
        for (unsigned y = top >> half; y < (top + height) >> half; y++)
            memset(image->planes[plane] + y * (size_t)image->stride[plane] + (left >> half), values[plane],
                   width >> half);
    }
}

/* A title, lines of words, and a chart of as many columns as the slide's number says. */
static void draw_slide(vpx_image_t *image, unsigned number)
{
    const struct color white = {0.98, 0.98, 0.97};
    const struct color ink = {0.20, 0.22, 0.26};
    const struct color accent = people[number % 5].wall;
    unsigned state = number + 1;
    fill(image, 0, 0, image->d_w, image->d_h, white);
    fill(image, 0, 0, image->d_w, 150, accent);
    for (unsigned x = 100; x < 900; x += 60 + draw_number(&state) % 120)
        fill(image, x, 60, 50, 36, white);
    for (unsigned line = 0; line < 11; line++) {
        unsigned y = 240 + 70 * line;
        for (unsigned x = 100; x < 900;) {
            unsigned word = 24 + draw_number(&state) % 55 * 2;
            fill(image, x, y, word, 22, ink);
            x += word + 20;
        }
    }
    fill(image, 1050, 960, 760, 6, ink);
    unsigned columns = 3 + 2 * number;
    for (unsigned i = 0; i < columns; i++) {
        unsigned height = 100 + draw_number(&state) % 280 * 2;
        fill(image, 1060 + (740 / columns * i & ~1u), 960 - height, 740 / columns * 3 / 4 & ~1u, height,
             people[(number + i) % 5].wall);
    }
}

/* The frame between two slides is shown as often as need be: nothing refers to it. */
static void present(void)
{
    const vpx_enc_frame_flags_t still = VP8_EFLAG_NO_REF_GF | VP8_EFLAG_NO_REF_ARF | VP8_EFLAG_NO_UPD_LAST |
                                        VP8_EFLAG_NO_UPD_GF | VP8_EFLAG_NO_UPD_ARF | VP8_EFLAG_NO_UPD_ENTROPY;
    const char *path = "peer/clips/screen.ivf";
    vpx_codec_ctx_t codec = encoder_open(1920, 1080, 20);
    FILE *file = ivf_open(path, "VP80", 1920, 1080, 5, 2 * SLIDES);
    vpx_image_t *image = vpx_img_alloc(NULL, VPX_IMG_FMT_I420, 1920, 1080, 16);
    for (int i = 0; i < 2 * SLIDES; i++) {
        if (i % 2 == 0)
            draw_slide(image, (unsigned)i / 2);
        printf("%s %d: %zu bytes\n", path, i, encode(&codec, image, i, i % 2 == 0 ? VPX_EFLAG_FORCE_KF : still, file));
    }
    vpx_img_free(image);
    vpx_codec_destroy(&codec);
    fclose(file);
}

/* --- the voice ------------------------------------------------------------------------------------------------------------------ */

/* Syllables: each a vowel of three formants over a falling pitch, some behind a breath of noise; a phrase to a loop. */
static void speak(const struct person *who, float *samples)
{
    static const double vowels[][3] = {{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240},
                                       {530, 1840, 2480}, {570, 840, 2410},  {660, 1720, 2410}};
    unsigned state = who->seed;
    double phase = 0;
    size_t total = (size_t)LOOP_S * SAMPLE_RATE;
    memset(samples, 0, total * sizeof *samples);
    for (size_t start = 0; start < total;) {
        size_t len = SAMPLE_RATE / 1000 * (130 + draw_number(&state) % 130);
        size_t gap = SAMPLE_RATE / 1000 * (draw_number(&state) % 4 == 0 ? 150 : 15);
        const double *formants = vowels[draw_number(&state) % 6];
        bool breathes = draw_number(&state) % 3 == 0;
        double pitch = who->pitch_hz * (0.9 + 0.3 * draw_number(&state) / 0x7fff);
        for (size_t i = 0; i < len && start + i + OPUS_SAMPLES < total; i++) {
            double at = (double)i / (double)len;
            double f0 = pitch * (1.08 - 0.16 * at);
            phase += 2 * M_PI * f0 / SAMPLE_RATE;
            double value = 0;
            for (int k = 1; k * f0 < 4000; k++) {
                double weight = 0;
                for (int f = 0; f < 3; f++)
                    weight += (f == 0 ? 1 : 0.5) / (1 + pow((k * f0 - formants[f]) / (60 + 40 * f), 2));
                value += sin(k * phase) * (weight + 0.02) / sqrt(k);
            }
            double envelope = pow(sin(M_PI * pow(at, 0.6)), 0.8);
            double noise = breathes && at < 0.2 ? (draw_number(&state) / 16383.5 - 1) * sin(M_PI * at / 0.2) : 0;
            samples[start + i] = (float)(0.22 * value * envelope + 0.04 * noise);
        }
        start += len + gap;
    }
}

static void record(const struct person *who)
{
    static float samples[LOOP_S * SAMPLE_RATE];
    char path[64];
    int status;
    OpusEncoder *encoder = opus_encoder_create(SAMPLE_RATE, 1, OPUS_APPLICATION_RESTRICTED_LOWDELAY, &status);
    if (encoder == NULL)
        fail(opus_strerror(status));
    opus_encoder_ctl(encoder, OPUS_SET_VBR(0));
    opus_encoder_ctl(encoder, OPUS_SET_BITRATE((OPUS_BYTES + 1) * 8 * 50));
    opus_encoder_ctl(encoder, OPUS_SET_PREDICTION_DISABLED(1)); /* so that any may follow any */
    opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(10));
    speak(who, samples);
    snprintf(path, sizeof path, "peer/clips/%s.opus.ivf", who->name);
    FILE *file = ivf_open(path, "Opus", 0, 0, 50, OPUS_PACKETS);
    for (int i = -OPUS_PACKETS; i < OPUS_PACKETS; i++) { /* a loop to begin with: the first frame follows the last */
        uint8_t packet[OPUS_BYTES + 1];
        const float *from = samples + (i + OPUS_PACKETS) % OPUS_PACKETS * OPUS_SAMPLES;
        if (opus_encode_float(encoder, from, OPUS_SAMPLES, packet, sizeof packet) != sizeof packet)
            fail("not of one size");
        if (i >= 0)
            ivf_write(file, packet, sizeof packet, (uint64_t)i);
    }
    opus_encoder_destroy(encoder);
    fclose(file);
}

int main(int argc, char **argv)
{
    present();
    if (argc > 1 && strcmp(argv[1], "screen") == 0)
        return 0;
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++) {
        film(&people[i], 180, 34);
        film(&people[i], 360, 36);
        film(&people[i], 720, 38);
        record(&people[i]);
    }
    return 0;
}
