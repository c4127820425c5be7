#include "tests/support/program.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"
#include "tests/support/text_file.h"

enum { ARGUMENTS_MAX = 32 };

static const char *executable(void)
{
    static char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "/confab");
    char *slash = len > 0 ? memrchr(path, '/', (size_t)len) : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(slash);
    strcpy(slash, "/confab");
    return path;
}

static char *read_back(int file, size_t *len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    char *text = text_file_read(path, len);
    close(file);
    return text;
}

static void interrupt_when_there(pid_t process, const char *file)
{
    const struct timespec while_waiting = {.tv_nsec = 10 * 1000 * 1000};
    for (int i = 0; i < 1000 && access(file, F_OK) != 0; i++)
        nanosleep(&while_waiting, NULL);
    kill(process, SIGINT);
}

/* In the child. It ends with us, however we end. */
static void become_confab(const struct running_program *running, pid_t parent, char *const *argv)
{
    extern char **environ;
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && dup2(nothing, STDIN_FILENO) >= 0 && dup2(running->out, STDOUT_FILENO) >= 0 &&
        dup2(running->err, STDERR_FILENO) >= 0)
        execve(executable(), argv, environ);
    _exit(127);
}

struct running_program program_start(const char *const *arguments)
{
    struct running_program running = {.process = -1};
    char *argv[ARGUMENTS_MAX] = {"confab"};
    running.out = memfd_create("out", MFD_CLOEXEC);
    running.err = memfd_create("err", MFD_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(running.out >= 0 && running.err >= 0);
    for (int i = 0; i < ARGUMENTS_MAX - 2 && arguments[i] != NULL; i++)
        argv[i + 1] = (char *)arguments[i];
    pid_t parent = getpid();
    fflush(NULL);
    running.process = fork();
    if (running.process == 0)
        become_confab(&running, parent, argv);
    CU_ASSERT_FATAL(running.process > 0);
    return running;
}

static struct program collect(struct running_program *running, int status)
{
    struct program program = {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1};
    program.out = read_back(running->out, &program.out_len);
    program.err = read_back(running->err, &program.err_len);
    return program;
}

static void wait_a_little(void)
{
    const struct timespec a_little = {.tv_nsec = 10 * 1000 * 1000};
    nanosleep(&a_little, NULL);
}

char *program_await(const struct running_program *running, const char *needle)
{
    for (int i = 0; i < 1000; i++) {
        char path[64];
        size_t len;
        snprintf(path, sizeof path, "/proc/self/fd/%d", running->out);
        char *text = text_file_read(path, &len);
        if (text != NULL && strstr(text, needle) != NULL)
            return text;
        free(text);
        siginfo_t info = {0};
        if (waitid(P_PID, (id_t)running->process, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0)
            return NULL;
        wait_a_little();
    }
    return NULL;
}

struct program program_end(struct running_program *running, int number)
{
    int status = 0;
    if (number != 0)
        kill(running->process, number);
    for (int i = 0; i < 1000 && waitpid(running->process, &status, WNOHANG) == 0; i++) {
        if (i == 999) {
            kill(running->process, SIGKILL);
            waitpid(running->process, &status, 0);
            break;
        }
        wait_a_little();
    }
    return collect(running, status);
}

struct program program_run_until(const char *const *arguments, const char *file)
{
    struct running_program running = program_start(arguments);
    int status;
    if (file != NULL)
        interrupt_when_there(running.process, file);
    CU_ASSERT_EQUAL_FATAL(waitpid(running.process, &status, 0), running.process);
    return collect(&running, status);
}

struct program program_run(const char *const *arguments) { return program_run_until(arguments, NULL); }

void program_free(struct program *program)
{
    free(program->out);
    free(program->err);
}

void scratch_make(char path[SCRATCH_CAP])
{
    strcpy(path, "/tmp/confab-test-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(path));
}

void scratch_remove(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char inside[PATH_MAX];
        struct stat what;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        if (lstat(inside, &what) == 0 && S_ISDIR(what.st_mode))
            scratch_remove(inside);
        else
            unlink(inside);
    }
    if (directory != NULL)
        closedir(directory);
    rmdir(path);
}

const char *scratch_path(const char *directory, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return path;
}

void scratch_write(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    CU_ASSERT_EQUAL(fwrite(data, 1, len, file), len);
    CU_ASSERT_EQUAL(fclose(file), 0);
}
