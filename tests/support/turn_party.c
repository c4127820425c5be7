#include "tests/support/turn_party.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct address address_of(const char *text)
{
    struct address address;
    if (!address_parse(&address, text))
        abort();
    return address;
}

/* --- the client ------------------------------------------------------------------------------------------------- */

static void connect_stream(struct turn_party *party);

static void note(struct turn_party *party, const struct turn_client_event *event)
{
    switch (event->type) {
    case TURN_CLIENT_ALLOCATED:
        party->allocated++;
        party->relayed = event->relayed;
        party->mapped = event->mapped;
        party->lifetime_s = event->lifetime_s;
        break;
    case TURN_CLIENT_FAILED:
        party->failed++;
        party->code = event->code;
        snprintf(party->reason, sizeof party->reason, "%s", event->reason);
        break;
    case TURN_CLIENT_REDIRECTED:
        party->redirected++;
        if (party->tcp != NULL)
            connect_stream(party);
        break;
    case TURN_CLIENT_PERMITTED:
        party->permitted++;
        break;
    case TURN_CLIENT_REFUSED:
        party->refused++;
        party->code = event->code;
        break;
    case TURN_CLIENT_CHANNEL_BOUND:
        party->bound++;
        break;
    case TURN_CLIENT_RELEASED:
        party->released++;
        break;
    case TURN_CLIENT_DATA:
        party->data_count++;
        party->data_bytes += event->len;
        party->data_peer = event->peer;
        party->data_len = event->len < sizeof party->data ? event->len : sizeof party->data;
        if (party->data_len > 0)
            memcpy(party->data, event->data, party->data_len);
        break;
    }
}

static void pump(struct turn_party *party)
{
    struct turn_client_event event;
    uint8_t buf[4096];
    ssize_t len;
    nanos now = world_now(world_of(party->host));
    do {
        while (turn_client_event(party->client, &event)) {
            if (event.type == TURN_CLIENT_DATA)
                party->data_at = now;
            note(party, &event);
        }
        while ((len = turn_client_write(party->client, buf, sizeof buf, now)) > 0) {
            struct datagram datagram = {.remote = turn_client_server(party->client), .data = buf, .len = (size_t)len};
            if (party->udp != NULL)
                world_udp_send(party->udp, &datagram, 1);
            else if (party->tcp != NULL)
                turn_client_set_waiting(party->client, world_tcp_send(party->tcp, buf, (size_t)len));
        }
        /* A timeout that write handled may have left an event. */
    } while (turn_client_event(party->client, &event) && (note(party, &event), true));
    world_timer_set(party->timer, turn_client_deadline(party->client));
}

static void on_timer(void *user, nanos now)
{
    (void)now;
    pump(user);
}

static void on_datagrams(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct turn_party *party = user;
    (void)udp;
    for (size_t i = 0; i < count; i++) {
        turn_client_read(party->client, batch[i].data, batch[i].len, now);
        pump(party);
    }
}

static void on_connected(void *user, struct world_tcp *tcp, nanos now)
{
    struct turn_party *party = user;
    (void)tcp;
    turn_client_connected(party->client, now);
    pump(party);
}

static void on_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct turn_party *party = user;
    (void)tcp;
    turn_client_read(party->client, data, len, now);
    pump(party);
}

static void on_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct turn_party *party = user;
    world_tcp_close(tcp);
    if (party->tcp == tcp)
        party->tcp = NULL;
    turn_client_disconnected(party->client, reason, now);
    pump(party);
}

static void connect_stream(struct turn_party *party)
{
    static const struct world_tcp_callbacks CALLBACKS = {
        .connected = on_connected, .received = on_received, .closed = on_closed};
    struct address server = turn_client_server(party->client);
    if (party->tcp != NULL)
        world_tcp_close(party->tcp);
    party->tcp = world_tcp_connect(party->host, &server, &CALLBACKS, party, NULL);
    if (party->tcp == NULL)
        abort();
}

void turn_party_start(struct turn_party *party, struct world_host *host, const struct turn_client_config *config)
{
    struct error error;
    struct address addresses[8];
    *party = (struct turn_party){.host = host};
    party->timer = world_timer_open(host, on_timer, party);
    party->client = turn_client_create(config, &error);
    if (party->client == NULL || party->timer == NULL)
        abort();
    if (config->transport != TURN_UDP) {
        connect_stream(party);
        return;
    }
    size_t count = world_host_addresses(host, addresses, 8);
    for (size_t i = 0; i < count && party->udp == NULL; i++) {
        if (addresses[i].family == config->server.family)
            party->udp = world_udp_open(host, &addresses[i], on_datagrams, party, NULL);
    }
    if (party->udp == NULL)
        abort();
    pump(party);
}

void turn_party_stop(struct turn_party *party)
{
    if (party->udp != NULL)
        world_udp_close(party->udp);
    if (party->tcp != NULL)
        world_tcp_close(party->tcp);
    world_timer_close(party->timer);
    turn_client_destroy(party->client);
    party->client = NULL;
    party->udp = NULL;
    party->tcp = NULL;
}

bool turn_party_send(struct turn_party *party, const struct address *peer, const void *data, size_t len)
{
    bool sent = turn_client_send(party->client, peer, data, len, world_now(world_of(party->host)));
    pump(party);
    return sent;
}

void turn_party_permit(struct turn_party *party, const struct address *peer)
{
    turn_client_permit(party->client, peer);
    pump(party);
}

void turn_party_release(struct turn_party *party)
{
    turn_client_release(party->client);
    pump(party);
}

/* --- the witness ------------------------------------------------------------------------------------------------ */

static void on_witnessed(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct witness *witness = user;
    (void)udp;
    (void)now;
    witness->calls++;
    for (size_t i = 0; i < count; i++) {
        witness->count++;
        witness->bytes += batch[i].len;
        witness->len = batch[i].len < sizeof witness->data ? batch[i].len : sizeof witness->data;
        if (witness->len > 0)
            memcpy(witness->data, batch[i].data, witness->len);
        witness->remote = batch[i].remote;
    }
}

void witness_open(struct witness *witness, struct world_host *host, const char *local)
{
    struct address address = address_of(local);
    *witness = (struct witness){0};
    witness->udp = world_udp_open(host, &address, on_witnessed, witness, NULL);
    if (witness->udp == NULL)
        abort();
}

void witness_send(struct witness *witness, const struct address *to, const void *data, size_t len)
{
    struct datagram datagram = {.remote = *to, .data = (uint8_t *)(uintptr_t)data, .len = len};
    world_udp_send(witness->udp, &datagram, 1);
}
