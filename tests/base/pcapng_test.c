#include "base/pcapng.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

static const uint8_t packet[64] = {0x45, 0, 0, 64, 1, 2, 3};

/* libpcap, which we didn't write, reads back what we wrote. It refuses files whose interfaces differ in link type or
 * snap length, so these don't. */
static void libpcap_reads_it_back(void)
{
    char path[] = "/tmp/confab-pcapng-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
    struct error error = {0};
    struct pcapng *pcapng = pcapng_create(path, "a comment", &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pcapng);
    CU_ASSERT_EQUAL(pcapng_add_interface(pcapng, "a", PCAPNG_ETHERNET, 0), 0);
    CU_ASSERT_EQUAL(pcapng_add_interface(pcapng, "bc", PCAPNG_ETHERNET, 0), 1);
    /* Enough to fill the buffer many times over, of every length and so of every padding. */
    enum { COUNT = 20000 };
    const uint64_t start = 1767225600000000000u;
    for (uint64_t i = 0; i < COUNT; i++)
        pcapng_write(pcapng, i & 1, start + i * 1000000007, packet, i % 65, 1000 + i % 65);
    CU_ASSERT_TRUE(pcapng_close(pcapng, &error));

    char message[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pcap);
    CU_ASSERT_EQUAL(pcap_datalink(pcap), DLT_EN10MB);
    uint64_t count = 0;
    struct pcap_pkthdr *header;
    const u_char *data;
    while (pcap_next_ex(pcap, &header, &data) == 1) {
        uint64_t at = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec;
        if (at != start + count * 1000000007 || header->caplen != count % 65 || header->len != 1000 + count % 65 ||
            memcmp(data, packet, header->caplen) != 0)
            CU_FAIL_FATAL("a packet came back changed");
        count++;
    }
    CU_ASSERT_EQUAL(count, COUNT);
    pcap_close(pcap);
    remove(path);
}

static void a_full_disk_is_an_error(void)
{
    struct error error = {0};
    struct pcapng *pcapng = pcapng_create("/dev/full", NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pcapng);
    pcapng_add_interface(pcapng, "a", PCAPNG_RAW_IP, 0);
    for (uint64_t i = 0; i < 10000; i++)
        pcapng_write(pcapng, 0, i, packet, sizeof packet, sizeof packet);
    CU_ASSERT_FALSE(pcapng_close(pcapng, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/dev/full"));
}

static void a_bad_path_is_an_error(void)
{
    struct error error = {0};
    CU_ASSERT_PTR_NULL(pcapng_create("/nonexistent/a.pcapng", NULL, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "/nonexistent/a.pcapng"));
}

void pcapng_test(void)
{
    SUITE("pcapng", {"libpcap reads it back", libpcap_reads_it_back},
          {"a full disk is an error", a_full_disk_is_an_error}, {"a bad path is an error", a_bad_path_is_an_error});
}
