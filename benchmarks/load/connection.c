/*
 * Connections: dialling, WebSocket framing, and what arrives.
 *
 * Counting must cost far less than the server's work. All sockets are read into one large buffer, only the unfinished rest of a
 * frame is kept per connection; the clock is read once per read; and since all publications of a run look alike, the
 * mark is expected as far from the end of a message as the last one was, and searched for only where it is not.
 */
#define _GNU_SOURCE
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 * 1024, CONNECTIONS_PER_ADDRESS = 10000, MAX_COMPLAINTS = 5 };

static int loop = -1;
static uint8_t *incoming;
static size_t incoming_room;
static size_t mark_from_end;    /* where the last mark stood; the guess for the next one */

void loop_init(void)
{
    loop = epoll_create1(0);
    incoming_room = 4 * READ_BYTES;
    incoming = malloc(incoming_room);
}

static void complain(const struct connection *c, const char *what, const void *text, size_t length)
{
    if (totals.errors++ < MAX_COMPLAINTS)
        fprintf(stderr, "connection %d: %s: %.*s\n", c->number, what, (int)(length > 300 ? 300 : length), (const char *)text);
}

static void watch(struct connection *c, bool wants_out)
{
    if (c->wants_out == wants_out)
        return;
    struct epoll_event event = {.events = EPOLLIN | (wants_out ? EPOLLOUT : 0), .data.ptr = c};
    epoll_ctl(loop, EPOLL_CTL_MOD, c->fd, &event);
    c->wants_out = wants_out;
}

static void gone(struct connection *c, const char *why)
{
    if (c->state == GONE)
        return;
    complain(c, "closed", why, strlen(why));
    c->state = GONE;
    totals.closed++;
    close(c->fd);
}

static void keep(uint8_t **held, size_t *bytes, size_t *room, const uint8_t *from, size_t length)
{
    if (*bytes + length > *room) {
        *room = *bytes + length + 1024;
        *held = realloc(*held, *room);
    }
    memmove(*held + *bytes, from, length);
    *bytes += length;
}

static void flush(struct connection *c)
{
    size_t done = 0;
    while (done < c->unsent_bytes) {
        ssize_t n = send(c->fd, c->unsent + done, c->unsent_bytes - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0) {
            if (errno != EAGAIN) {
                gone(c, strerror(errno));
                return;
            }
            break;
        }
        done += n;
    }
    memmove(c->unsent, c->unsent + done, c->unsent_bytes - done);
    c->unsent_bytes -= done;
    watch(c, c->unsent_bytes > 0);
}

void send_bytes(struct connection *c, const void *bytes, size_t length)
{
    if (c->state == GONE)
        return;
    size_t done = 0;
    if (!c->unsent_bytes) {
        ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN) {
            gone(c, strerror(errno));
            return;
        }
        done = n > 0 ? n : 0;
    }
    if (done < length) {
        keep(&c->unsent, &c->unsent_bytes, &c->unsent_room, (const uint8_t *)bytes + done, length - done);
        watch(c, true);
    }
}

static void send_script(struct connection *c, const char *script)
{
    struct frame frame = frame_make(script, c->number);
    send_bytes(c, frame.bytes, frame.length);
    frame_free(&frame);
}

void send_heart_beat(struct connection *c)
{
    static struct frame frame;
    if (!frame.bytes)
        frame = frame_control(1, "\n", 1);
    send_bytes(c, frame.bytes, frame.length);
}

/* Sends the connection's next publication; what it waits for is counted from `departure_ns`, when it should have left. */
void publish(struct connection *c, uint64_t departure_ns)
{
    uint32_t number = c->published++;
    c->sent_at[number & (c->ring - 1)] = departure_ns;
    frame_stamp(&c->publication, c->number, number);
    totals.published++;
    send_bytes(c, c->publication.bytes, c->publication.length);
}

struct connection *dial(int number, enum role role)
{
    struct connection *c = calloc(1, sizeof *c);
    c->number = number;
    c->role = role;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    int one = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    /* An address has some 28,000 ports, and a port that was used rests for a minute: so many addresses. */
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(0x7f000001 + (options.source << 8) + number / CONNECTIONS_PER_ADDRESS);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(options.port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(c->fd, (void *)&source, sizeof source) || connect(c->fd, (void *)&server, sizeof server)) {
        perror("connect");
        exit(2);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(loop, EPOLL_CTL_ADD, c->fd, &event);

    char request[1024];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s%s%s\r\n",
                          options.path, options.port, options.protocol ? "Sec-WebSocket-Protocol: " : "",
                          options.protocol ? options.protocol : "", options.protocol ? "\r\n" : "");
    send_bytes(c, request, length);
    return c;
}

/* Takes the steps of the opening that need no answer first. */
static void next_step(struct connection *c)
{
    if (c->state == DIALLED && options.connect) {
        c->state = CONNECTING;
        send_script(c, options.connect);
    } else if (c->state <= CONNECTING && options.subscribe && c->role == SUBSCRIBER) {
        c->state = SUBSCRIBING;
        send_script(c, options.subscribe);
    } else {
        c->state = READY;
        totals.ready++;
    }
}

static bool starts_with(const uint8_t *data, size_t length, const char *word)
{
    size_t n = strlen(word);
    return length >= n && !memcmp(data, word, n);
}

/* What is to be acknowledged in one read leaves in one write. */
static uint8_t *acks;
static size_t ack_bytes, ack_room;

static void acknowledge(const uint8_t *data, size_t length)
{
    const uint8_t *name = memmem(data, length, "\nack:", 5);
    const uint8_t *end = name ? memchr(name + 1, '\n', data + length - name - 1) : NULL;
    char text[128];
    if (!end || end - name > 64)
        return; /* it is missed: the next message does not come */
    int written = snprintf(text, sizeof text, "ACK\nid:%.*s\n\n", (int)(end - name - 5), name + 5) + 1;
    struct frame frame = frame_control(1, text, written);
    keep(&acks, &ack_bytes, &ack_room, frame.bytes, frame.length);
    frame_free(&frame);
}

/* A message of a queue came to one of its consumers; it must come to no other. */
static void count_once(const struct connection *from, uint32_t number)
{
    uint32_t *seen = &from->seen[number & (from->ring - 1)];
    if (*seen == number + 1)
        totals.duplicates++;
    *seen = number + 1;
}

static void count(struct connection *c, uint32_t sender, uint32_t number, uint64_t arrival_ns)
{
    const struct connection *from = NULL;
    uint32_t slot = 0;
    if (options.answers)
        from = sender == (uint32_t)c->number ? c : NULL;
    else if (sender < (uint32_t)options.publishers)
        from = publishers[slot = sender];
    if (!from || !from->sent_at || number >= from->published) {
        totals.misdelivered++;
        return;
    }
    latency_add(arrival_ns - from->sent_at[number & (from->ring - 1)], 1);
    uint32_t expected = c->next[slot];
    if (number >= expected) {
        totals.gaps += options.queue ? 0 : number - expected;
        c->next[slot] = number + 1;
    } else if (number + 1 == expected) {
        totals.duplicates++;
    } else {
        totals.disorder++;
    }
    if (options.queue)
        count_once(from, number);
    c->received++;
    totals.delivered++;
}

static void message(struct connection *c, const uint8_t *data, size_t length, uint64_t arrival_ns)
{
    uint32_t sender, number;
    if (c->state == READY && length >= mark_from_end && mark_from_end &&
        mark_read(data + length - mark_from_end, &sender, &number)) {
        count(c, sender, number, arrival_ns);
        if (options.queue)
            acknowledge(data, length);
        return;
    }
    if (length == 1 && *data == '\n') {
        totals.heart_beats++;
        return;
    }
    if (starts_with(data, length, "ERROR")) {
        complain(c, "the server says", data, length);
        return;
    }
    if (c->state == CONNECTING && starts_with(data, length, "CONNECTED")) {
        next_step(c);
        return;
    }
    if (c->state == SUBSCRIBING && starts_with(data, length, "RECEIPT")) {
        next_step(c);
        return;
    }
    const uint8_t *mark = memmem(data, length, "<<", 2);
    size_t from_end = mark ? (size_t)(data + length - mark) : 0;
    if (c->state == READY && from_end >= MARK_BYTES && mark_read(mark, &sender, &number)) {
        mark_from_end = from_end;
        count(c, sender, number, arrival_ns);
        if (options.queue)
            acknowledge(data, length);
        return;
    }
    complain(c, "unexpected", data, length);
}

/* Goes through the complete WebSocket frames; returns how many bytes they took. */
static size_t frames(struct connection *c, const uint8_t *data, size_t length, uint64_t arrival_ns)
{
    size_t at = 0;
    while (length - at >= 2 && c->state != GONE) {
        const uint8_t *head = data + at;
        size_t header = 2, payload = head[1] & 127;
        if (payload == 126) {
            header = 4;
            if (length - at < header)
                break;
            payload = head[2] << 8 | head[3];
        } else if (payload == 127) {
            header = 10;
            if (length - at < header)
                break;
            payload = 0;
            for (int i = 2; i < 10; i++)
                payload = payload << 8 | head[i];
        }
        if (length - at < header + payload)
            break;
        int opcode = head[0] & 15;
        if (opcode <= 2) {
            message(c, head + header, payload, arrival_ns);
        } else if (opcode == 9) {
            struct frame pong = frame_control(10, head + header, payload);
            send_bytes(c, pong.bytes, pong.length);
            frame_free(&pong);
        } else if (opcode == 8) {
            complain(c, "WebSocket close", head + header + 2, payload > 2 ? payload - 2 : 0);
        }
        at += header + payload;
    }
    return at;
}

static size_t upgrade(struct connection *c, const uint8_t *data, size_t length)
{
    const uint8_t *end = memmem(data, length, "\r\n\r\n", 4);
    if (!end)
        return 0;
    if (!starts_with(data, length, "HTTP/1.1 101")) {
        complain(c, "handshake refused", data, length);
        gone(c, "no WebSocket");
        return length;
    }
    next_step(c);
    return end + 4 - data;
}

static void readable(struct connection *c)
{
    size_t have = c->unread_bytes;
    if (have + READ_BYTES > incoming_room)
        incoming = realloc(incoming, incoming_room = have + 2 * READ_BYTES);
    memcpy(incoming, c->unread, have);
    ssize_t n = recv(c->fd, incoming + have, READ_BYTES, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            gone(c, n ? strerror(errno) : "by the server");
        return;
    }
    have += n;
    size_t done = c->state == DIALLED ? upgrade(c, incoming, have) : 0;
    if (c->state != DIALLED)
        done += frames(c, incoming + done, have - done, now_ns());
    if (ack_bytes) {
        send_bytes(c, acks, ack_bytes);
        ack_bytes = 0;
    }
    c->unread_bytes = 0;
    if (done < have)
        keep(&c->unread, &c->unread_bytes, &c->unread_room, incoming + done, have - done);
}

int pump(int timeout_ms)
{
    struct epoll_event events[512];
    int n = epoll_wait(loop, events, 512, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->state != GONE && events[i].events & EPOLLOUT)
            flush(c);
        if (c->state != GONE && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            readable(c);
    }
    return n;
}
