#include "sfu/turn_server_state.h"

void turn_egress_flush(struct turn_egress *egress)
{
    if (egress->count > 0)
        world_udp_send(egress->udp, egress->batch, egress->count);
    egress->count = 0;
    egress->scratch_len = 0;
}

void turn_egress_add(struct turn_egress *egress, struct world_udp *udp, const struct address *remote,
                     const uint8_t *data, size_t len)
{
    if (egress->count > 0 && (egress->udp != udp || egress->count == TURN_EGRESS_BATCH)) {
        size_t room_len = egress->scratch_len;
        turn_egress_flush(egress);
        egress->scratch_len = room_len; /* `data` may lie there */
    }
    egress->udp = udp;
    egress->batch[egress->count++] = (struct datagram){.remote = *remote, .data = (uint8_t *)data, .len = len};
}

uint8_t *turn_egress_room(struct turn_egress *egress, size_t len)
{
    if (len > TURN_EGRESS_SCRATCH)
        return NULL;
    if (TURN_EGRESS_SCRATCH - egress->scratch_len < len)
        turn_egress_flush(egress);
    uint8_t *room = egress->scratch + egress->scratch_len;
    egress->scratch_len += len;
    return room;
}
