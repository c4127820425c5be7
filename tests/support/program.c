#include "tests/support/program.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
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

struct program program_run_until(const char *const *arguments, const char *file)
{
    extern char **environ;
    struct program program = {.status = -1};
    char *argv[ARGUMENTS_MAX] = {"confab"};
    posix_spawn_file_actions_t actions;
    pid_t process;
    int status;
    int out = memfd_create("out", MFD_CLOEXEC);
    int err = memfd_create("err", MFD_CLOEXEC);
    CU_ASSERT_TRUE_FATAL(out >= 0 && err >= 0);
    for (int i = 0; i < ARGUMENTS_MAX - 2 && arguments[i] != NULL; i++)
        argv[i + 1] = (char *)arguments[i];
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    CU_ASSERT_EQUAL_FATAL(posix_spawn(&process, executable(), &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    if (file != NULL)
        interrupt_when_there(process, file);
    CU_ASSERT_EQUAL_FATAL(waitpid(process, &status, 0), process);
    if (WIFEXITED(status))
        program.status = WEXITSTATUS(status);
    program.out = read_back(out, &program.out_len);
    program.err = read_back(err, &program.err_len);
    return program;
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
