/*
 * A load generator for WebSocket servers that speak STOMP, or only echo: one thread, epoll, loopback.
 *
 * It opens subscribers and publishers, sends each an opening script, keeps publications in flight and counts, for every
 * client by itself, what it should have got and what it got. Every publication carries a mark, "<<ssss-nnnnnnnn>>": who
 * sent it and its number, so that gaps, duplicates, disorder and answers to the wrong client are all seen.
 *
 *   main.c        options, phases, report
 *   connection.c  sockets, WebSocket framing, what arrives
 *   script.c      frames to send, made once per connection and only stamped afterwards
 *   measure.c     latencies, CPU time and memory of the server
 */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MARK_BYTES = 17 };       /* "<<ssss-nnnnnnnn>>" */
enum { SENT_RING = 1 << 16 };   /* publications of one publisher whose time of departure is remembered */
enum { MAX_PUBLISHERS = 64 };

struct options {
    int port;
    const char *path;           /* HTTP path of the WebSocket */
    const char *protocol;       /* Sec-WebSocket-Protocol, or NULL */
    const char *connect;        /* scripts, see script.c; NULL skips the step */
    const char *subscribe;
    const char *publish;
    const char *tokens;         /* file with one token per line, for %t */
    int subscribers, publishers;
    bool answers;               /* every subscriber publishes, and expects one answer to each of its own */
    bool queue;                 /* each publication goes to one subscriber, which acknowledges it */
    bool binary;                /* send binary WebSocket messages instead of text */
    int window;                 /* publications in flight (per client with `answers`) */
    double rate;                /* publications per second whatever comes back; 0: by window */
    int publications;           /* stop after so many instead of after `seconds`; 0: by time */
    int body_bytes;             /* length of what %m stands for */
    int parallel;               /* connections that are being opened at once */
    int source;                 /* third byte of the source address 127.0.x.y */
    double warmup_s, seconds, settle_s, hold_s, heart_beat_s;
    double beats_s;             /* interval that the server promised for its heart-beats; 0: they are not counted */
    pid_t server;
};

enum state { DIALLED, CONNECTING, SUBSCRIBING, READY, GONE };
enum role { SUBSCRIBER, PUBLISHER };

/* A WebSocket message, masked with zeros and ready to send, of which only the mark and the number change. */
struct frame {
    uint8_t *bytes;
    size_t length;
    size_t mark_at;             /* 0: none */
    size_t number_at;
};

struct connection {
    int fd, number;             /* `number` is what %d stands for */
    enum state state;
    enum role role;
    bool wants_out;             /* EPOLLOUT is on */
    uint8_t *unread, *unsent;
    size_t unread_bytes, unread_room, unsent_bytes, unsent_room;
    struct frame publication;
    uint32_t published;         /* by this connection; the number of its next publication */
    uint64_t *sent_at;          /* ring of departure times, nanoseconds */
    uint32_t ring;              /* its size, a power of two */
    uint32_t *next;             /* per sender: the number that should arrive next */
    uint32_t *seen;             /* with `queue`, of a publisher: the numbers that arrived, plus one, in a ring */
    uint64_t received;
};

struct totals {
    uint64_t published, delivered, heart_beats;
    uint64_t errors, gaps, disorder, duplicates, misdelivered;
    int ready, closed;
};

extern struct options options;
extern struct totals totals;
extern struct connection **publishers;      /* by sender number, for the time of departure */

/* connection.c */
void loop_init(void);
struct connection *dial(int number, enum role role);
void send_bytes(struct connection *c, const void *bytes, size_t length);
void publish(struct connection *c, uint64_t departure_ns);
void send_heart_beat(struct connection *c);
int pump(int timeout_ms);                   /* returns on how many connections something happened */

/* script.c */
struct frame frame_make(const char *script, int number);
struct frame frame_control(int opcode, const void *payload, size_t length);
void frame_stamp(struct frame *frame, uint32_t sender, uint32_t number);
void frame_free(struct frame *frame);
bool mark_read(const uint8_t *at, uint32_t *sender, uint32_t *number);
void tokens_read(const char *file);

/* measure.c */
uint64_t now_ns(void);
double now_s(void);
void latency_reset(void);
void latency_add(uint64_t ns, uint64_t times);
double latency_us(double quantile);
double latency_max_us(void);
double cpu_s(pid_t pid);
long resident_bytes(pid_t pid);

#endif
