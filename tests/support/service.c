#include "tests/support/service.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/suite.h"

uint16_t service_free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CU_ASSERT_EQUAL(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

void service_start_in(struct service *service, const char *config)
{
    const char *file = scratch_path(service->directory, "confab.yaml");
    scratch_write(file, config, strlen(config));
    const char *const arguments[] = {"serve",  "--config", file,      "--listen",         "127.0.0.1",
                                     "--port", "0",        "--state", service->directory, NULL};
    service->program = program_start(arguments);
    service->said = program_await(&service->program, "/metrics\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(service->said);
    const char *url = strstr(service->said, "http://127.0.0.1:");
    CU_ASSERT_PTR_NOT_NULL_FATAL(url);
    service->port = (uint16_t)atoi(url + strlen("http://127.0.0.1:"));
}

void service_start(struct service *service, const char *config)
{
    scratch_make(service->directory);
    service_start_in(service, config);
}

struct program service_stop(struct service *service, int number)
{
    free(service->said);
    struct program program = program_end(&service->program, number);
    scratch_remove(service->directory);
    return program;
}

struct http_answer service_get(const struct service *service, const char *path)
{
    char head[200];
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\n", path);
    return http_ask(service->port, head, "", 0);
}
