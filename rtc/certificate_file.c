#include "rtc/certificate_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rtc/certificate.h"

#define DAY_S ((int64_t)24 * 3600)

enum { VALID_DAYS = 365, RENEW_DAYS = 7 };

/* mkdir -p, for its owner alone. */
static bool make_directory(const char *path, struct error *error)
{
    char part[CERTIFICATE_PATH_CAP];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = part + 1;; at++) {
        if (*at != '/' && *at != '\0')
            continue;
        bool last = *at == '\0';
        *at = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return error_set(error, ERROR_SYSTEM, "%s: %s", part, strerror(errno));
        if (last)
            return true;
        *at = '/';
    }
}

static bool are_good(const struct certificate_files *files, int64_t unix_s)
{
    FILE *certificate_file = fopen(files->certificate, "re");
    FILE *key_file = fopen(files->key, "re");
    X509 *x509 = certificate_file != NULL ? PEM_read_X509(certificate_file, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_file != NULL ? PEM_read_PrivateKey(key_file, NULL, NULL, NULL) : NULL;
    time_t renewal = (time_t)(unix_s + RENEW_DAYS * DAY_S);
    bool good = x509 != NULL && key != NULL && X509_check_private_key(x509, key) == 1 &&
                X509_cmp_time(X509_get0_notAfter(x509), &renewal) > 0;
    X509_free(x509);
    EVP_PKEY_free(key);
    if (certificate_file != NULL)
        fclose(certificate_file);
    if (key_file != NULL)
        fclose(key_file);
    return good;
}

static FILE *create(const char *path, struct error *error)
{
    unlink(path); /* one that is there may be readable to others */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file == NULL)
        error_set(error, ERROR_SYSTEM, "%s: %s", path, strerror(errno));
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

static bool finish(FILE *file, bool written, const char *path, struct error *error)
{
    bool closed = fclose(file) == 0;
    return (written && closed) || error_set(error, ERROR_SYSTEM, "%s: can't be written", path);
}

static bool write_key(const char *path, EVP_PKEY *key, struct error *error)
{
    FILE *file = create(path, error);
    return file != NULL && finish(file, PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, path, error);
}

static bool write_certificate(const char *path, X509 *x509, struct error *error)
{
    FILE *file = create(path, error);
    return file != NULL && finish(file, PEM_write_X509(file, x509) == 1, path, error);
}

bool certificate_files_prepare(const char *directory, int64_t unix_s, struct certificate_files *files,
                               struct error *error)
{
    const struct certificate_config config = {
        .serial = (uint64_t)unix_s, .not_before_unix_s = unix_s - DAY_S, .validity_s = (VALID_DAYS + 1) * DAY_S};
    int certificate_len = snprintf(files->certificate, sizeof files->certificate, "%s/certificate.pem", directory);
    int key_len = snprintf(files->key, sizeof files->key, "%s/key.pem", directory);
    if (certificate_len >= CERTIFICATE_PATH_CAP || key_len >= CERTIFICATE_PATH_CAP)
        return error_set(error, ERROR_USAGE, "the name of the directory is too long");
    if (are_good(files, unix_s))
        return true;
    struct certificate *certificate = make_directory(directory, error) ? certificate_create(&config, error) : NULL;
    bool written = certificate != NULL && write_key(files->key, certificate_private_key(certificate), error) &&
                   write_certificate(files->certificate, certificate_x509(certificate), error);
    certificate_destroy(certificate);
    return written;
}
