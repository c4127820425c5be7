#include "world/line_process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "world/live_world.h"
#include "world/world.h"

enum { COMPLAINT_MAX = 1000, READ_SIZE = 64 << 10, HOW_CAP = 80 };
enum { LAST_MS = 1000, EXIT_MS = 500 /* it may take after its output has ended */ };

/* What came of one of its outputs and is no whole line yet. */
struct output {
    uv_pipe_t pipe;
    char *text;
    size_t len, cap, most;
};

struct line_process {
    struct live_world *live;
    const struct line_process_callbacks *callbacks;
    void *user;
    uv_process_t process;
    uv_pipe_t input;
    struct output output, errors;
    uv_timer_t timer;
    int handles;   /* that are not yet closed */
    bool running;  /* as a process */
    bool over;     /* `ended` was called, or must not be */
    bool stopping; /* its owner has gone */
    bool asked;    /* to end, by SIGTERM */
    bool closing;
};

/* --- the end -------------------------------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct line_process *process = handle->data;
    if (--process->handles > 0)
        return;
    free(process->output.text);
    free(process->errors.text);
    free(process);
}

static void close_all(struct line_process *process)
{
    if (process->closing)
        return;
    process->closing = true;
    uv_close((uv_handle_t *)&process->process, on_closed);
    uv_close((uv_handle_t *)&process->input, on_closed);
    uv_close((uv_handle_t *)&process->output.pipe, on_closed);
    uv_close((uv_handle_t *)&process->errors.pipe, on_closed);
    uv_close((uv_handle_t *)&process->timer, on_closed);
}

static void end(struct line_process *process, const char *how)
{
    if (process->over)
        return;
    process->over = true;
    process->callbacks->ended(process->user, how, world_now(live_world_of(process->live)));
}

static void on_too_late(uv_timer_t *timer)
{
    struct line_process *process = timer->data;
    if (!process->running)
        return;
    kill(-process->process.pid, process->asked ? SIGKILL : SIGTERM);
    process->asked = true;
    uv_timer_start(timer, on_too_late, LAST_MS, 0);
}

static void on_input_ended(uv_shutdown_t *request, int status)
{
    (void)status;
    free(request);
}

void line_process_stop(struct line_process *process, nanos grace)
{
    if (process == NULL)
        return;
    process->over = process->stopping = true;
    if (!process->running) {
        close_all(process);
        return;
    }
    uv_shutdown_t *request = malloc(sizeof *request);
    if (request == NULL || uv_shutdown(request, (uv_stream_t *)&process->input, on_input_ended) < 0)
        free(request);
    uv_timer_start(&process->timer, on_too_late, (uint64_t)(grace / NANOS_PER_MS), 0);
}

/* --- what it says ----------------------------------------------------------------------------------------------------------- */

static void complain(struct line_process *process, char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == '\x7f')
            text[i] = ' ';
    }
    text[len] = '\0';
    if (!process->stopping)
        process->callbacks->complaint(process->user, text);
}

static void take_line(struct line_process *process, struct output *output, char *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\r')
        len--;
    text[len] = '\0';
    if (output == &process->errors)
        complain(process, text, len);
    else if (!process->over)
        process->callbacks->line(process->user, text, len, world_now(live_world_of(process->live)));
}

/* Takes the lines that are whole; the rest moves to the front. */
static void take_lines(struct line_process *process, struct output *output, size_t fresh)
{
    size_t from = 0, look = output->len;
    char *newline;
    output->len += fresh;
    while ((newline = memchr(output->text + look, '\n', output->len - look)) != NULL) {
        size_t at = (size_t)(newline - output->text);
        take_line(process, output, output->text + from, at - from);
        from = look = at + 1;
    }
    output->len -= from;
    memmove(output->text, output->text + from, output->len);
    if (output->len < output->most)
        return;
    if (output == &process->errors)
        complain(process, output->text, output->len);
    else
        end(process, "it said a line that is too long");
    output->len = 0;
}

/* Room for more, and for a terminator. */
static bool make_room(struct output *output)
{
    if (output->len < output->cap)
        return true;
    size_t cap = output->cap == 0 ? (output->most < READ_SIZE ? output->most : READ_SIZE) : 2 * output->cap;
    char *text = realloc(output->text, cap + 1);
    if (text == NULL)
        return false;
    output->text = text;
    output->cap = cap;
    return true;
}

static void on_room_wanted(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct line_process *process = handle->data;
    struct output *output = handle == (uv_handle_t *)&process->output.pipe ? &process->output : &process->errors;
    (void)suggested;
    bool room = make_room(output);
    *buffer = uv_buf_init(room ? output->text + output->len : NULL, room ? (unsigned)(output->cap - output->len) : 0);
}

static void on_no_exit(uv_timer_t *timer) { end(timer->data, "its standard output ended"); }

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct line_process *process = stream->data;
    struct output *output = stream == (uv_stream_t *)&process->output.pipe ? &process->output : &process->errors;
    (void)buffer;
    if (len > 0) {
        take_lines(process, output, (size_t)len);
    } else if (len < 0) {
        uv_read_stop(stream);
        if (output == &process->output && process->running && !process->stopping)
            uv_timer_start(&process->timer, on_no_exit, EXIT_MS, 0);
    }
}

/* It has ended, and some of its last words may still be in the pipe. */
static void read_rest(struct line_process *process, struct output *output)
{
    uv_os_fd_t fd;
    ssize_t len = 1;
    if (uv_fileno((uv_handle_t *)&output->pipe, &fd) < 0)
        return;
    while (len > 0 && make_room(output)) {
        len = read(fd, output->text + output->len, output->cap - output->len);
        if (len > 0)
            take_lines(process, output, (size_t)len);
    }
    if (output == &process->errors && output->len > 0)
        complain(process, output->text, output->len);
}

static void on_exit_seen(uv_process_t *handle, int64_t status, int number)
{
    struct line_process *process = handle->data;
    char how[HOW_CAP];
    read_rest(process, &process->output);
    read_rest(process, &process->errors);
    process->running = false;
    if (number != 0)
        snprintf(how, sizeof how, "signal %d (%s)", number, strsignal(number));
    else
        snprintf(how, sizeof how, "exit status %lld", (long long)status);
    end(process, how);
    if (process->stopping)
        close_all(process);
}

/* --- what it is told ---------------------------------------------------------------------------------------------------------- */

struct message {
    uv_write_t request;
    char text[];
};

static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

bool line_process_send(struct line_process *process, const char *text, size_t len)
{
    size_t waiting = uv_stream_get_write_queue_size((uv_stream_t *)&process->input);
    if (process->over || len >= LINE_PROCESS_WAITING_MAX || waiting + len >= LINE_PROCESS_WAITING_MAX)
        return false;
    struct message *message = malloc(sizeof *message + len + 1);
    if (message == NULL)
        return false;
    memcpy(message->text, text, len);
    message->text[len] = '\n';
    message->request.data = message;
    uv_buf_t buffer = uv_buf_init(message->text, (unsigned)len + 1);
    if (uv_write(&message->request, (uv_stream_t *)&process->input, &buffer, 1, on_written) == 0)
        return true;
    free(message);
    return false;
}

/* --- the start ------------------------------------------------------------------------------------------------------------------ */

static int spawn(struct line_process *process, uv_loop_t *loop, const char *command)
{
    char shell[] = "/bin/sh", option[] = "-c";
    char *arguments[] = {shell, option, (char *)command, NULL};
    uv_stdio_container_t streams[] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&process->input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&process->output.pipe},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&process->errors.pipe},
    };
    const uv_process_options_t options = {.exit_cb = on_exit_seen,
                                          .file = shell,
                                          .args = arguments,
                                          .flags = UV_PROCESS_DETACHED,
                                          .stdio = streams,
                                          .stdio_count = sizeof streams / sizeof streams[0]};
    return uv_spawn(loop, &process->process, &options);
}

struct line_process *line_process_start(struct live_world *live, const char *command,
                                        const struct line_process_callbacks *callbacks, void *user, struct error *error)
{
    struct line_process *process = calloc(1, sizeof *process);
    uv_loop_t *loop = live_world_loop(live);
    if (process == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    signal(SIGPIPE, SIG_IGN);
    process->live = live;
    process->callbacks = callbacks;
    process->user = user;
    process->output.most = LINE_PROCESS_LINE_MAX;
    process->errors.most = COMPLAINT_MAX;
    process->process.data = process->input.data = process->output.pipe.data = process->errors.pipe.data =
        process->timer.data = process;
    uv_pipe_init(loop, &process->input, 0);
    uv_pipe_init(loop, &process->output.pipe, 0);
    uv_pipe_init(loop, &process->errors.pipe, 0);
    uv_timer_init(loop, &process->timer);
    process->handles = 5;
    int status = spawn(process, loop, command);
    if (status < 0) {
        error_set(error, ERROR_SYSTEM, "'%.100s' could not be started: %s", command, uv_strerror(status));
        process->over = true;
        close_all(process);
        return NULL;
    }
    process->running = true;
    uv_read_start((uv_stream_t *)&process->output.pipe, on_room_wanted, on_read);
    uv_read_start((uv_stream_t *)&process->errors.pipe, on_room_wanted, on_read);
    return process;
}
