/* Options, the phases of a run, and the report: one line of JSON on standard output. */
#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct options options = {
    .path = "/", .subscribers = 1, .window = 1, .body_bytes = 200, .parallel = 64, .source = 1,
    .warmup_s = 1, .seconds = 4, .settle_s = 0.5,
};
struct totals totals;
struct connection **publishers;

static struct connection **subscribers;
static volatile sig_atomic_t phase_over; /* a harness says by SIGUSR1 that the warm-up, or after it the measuring, ends now */

static void end_phase(int signal)
{
    (void)signal;
    phase_over = 1;
}

/* What 100,000 sessions get that agreed on 10 s: each beat goes out half a second early. */
static const double CROWD_BEATS_PER_S = 100000 / 9.5;
static const double STALLED_S = 3, OPENING_LIMIT_S = 60;

/* What is measured before and after each phase. */
struct reading {
    double at_s, server_cpu_s, own_cpu_s;
    uint64_t published, delivered, heart_beats;
};

static struct reading read_now(void)
{
    return (struct reading){now_s(), cpu_s(options.server), cpu_s(getpid()), totals.published, totals.delivered, totals.heart_beats};
}

enum option_key { FIRST_KEY = 256, PORT, PATH, PROTOCOL, CONNECT, SUBSCRIBE, PUBLISH, TOKENS, SUBSCRIBERS, PUBLISHERS, ANSWERS, QUEUE,
                  BINARY, WINDOW, RATE, PUBLICATIONS, BODY, PARALLEL, SOURCE, WARMUP, SECONDS, SETTLE, HOLD, HEART_BEAT, BEATS, SERVER };

static const struct option OPTION_NAMES[] = {
    {"port", 1, 0, PORT}, {"path", 1, 0, PATH}, {"protocol", 1, 0, PROTOCOL},
    {"connect", 1, 0, CONNECT}, {"subscribe", 1, 0, SUBSCRIBE}, {"publish", 1, 0, PUBLISH}, {"tokens", 1, 0, TOKENS},
    {"subscribers", 1, 0, SUBSCRIBERS}, {"publishers", 1, 0, PUBLISHERS}, {"answers", 0, 0, ANSWERS}, {"queue", 0, 0, QUEUE},
    {"binary", 0, 0, BINARY},
    {"window", 1, 0, WINDOW}, {"rate", 1, 0, RATE}, {"publications", 1, 0, PUBLICATIONS}, {"body", 1, 0, BODY},
    {"parallel", 1, 0, PARALLEL}, {"source", 1, 0, SOURCE}, {"warmup", 1, 0, WARMUP}, {"seconds", 1, 0, SECONDS},
    {"settle", 1, 0, SETTLE}, {"hold", 1, 0, HOLD}, {"heart-beat", 1, 0, HEART_BEAT}, {"beats", 1, 0, BEATS}, {"server", 1, 0, SERVER}, {0},
};

static void parse_options(int argc, char **argv)
{
    int key;
    while ((key = getopt_long(argc, argv, "", OPTION_NAMES, NULL)) != -1) {
        switch (key) {
        case PORT: options.port = atoi(optarg); break;
        case PATH: options.path = optarg; break;
        case PROTOCOL: options.protocol = optarg; break;
        case CONNECT: options.connect = optarg; break;
        case SUBSCRIBE: options.subscribe = optarg; break;
        case PUBLISH: options.publish = optarg; break;
        case TOKENS: options.tokens = optarg; break;
        case SUBSCRIBERS: options.subscribers = atoi(optarg); break;
        case PUBLISHERS: options.publishers = atoi(optarg); break;
        case ANSWERS: options.answers = true; break;
        case QUEUE: options.queue = true; break;
        case BINARY: options.binary = true; break;
        case WINDOW: options.window = atoi(optarg); break;
        case RATE: options.rate = atof(optarg); break;
        case PUBLICATIONS: options.publications = atoi(optarg); break;
        case BODY: options.body_bytes = atoi(optarg); break;
        case PARALLEL: options.parallel = atoi(optarg); break;
        case SOURCE: options.source = atoi(optarg); break;
        case WARMUP: options.warmup_s = atof(optarg); break;
        case SECONDS: options.seconds = atof(optarg); break;
        case SETTLE: options.settle_s = atof(optarg); break;
        case HOLD: options.hold_s = atof(optarg); break;
        case HEART_BEAT: options.heart_beat_s = atof(optarg); break;
        case BEATS: options.beats_s = atof(optarg); break;
        case SERVER: options.server = atoi(optarg); break;
        default: exit(2);
        }
    }
    if (!options.port || options.publishers > MAX_PUBLISHERS || options.body_bytes < MARK_BYTES || options.window > SENT_RING) {
        fprintf(stderr, "--port is needed, at most %d --publishers, --body of at least %d\n", MAX_PUBLISHERS, MARK_BYTES);
        exit(2);
    }
}

static struct connection *open_one(int number, enum role role)
{
    struct connection *c = dial(number, role);
    bool publishes = options.publish && (role == PUBLISHER || options.answers);
    int senders = options.answers ? 1 : options.publishers;
    if (publishes) {
        c->publication = frame_make(options.publish, number);
        c->ring = options.answers ? 256 : SENT_RING;
        c->sent_at = calloc(c->ring, sizeof *c->sent_at);
        c->seen = options.queue ? calloc(c->ring, sizeof *c->seen) : NULL;
    }
    if (role == SUBSCRIBER && senders)
        c->next = calloc(senders, sizeof *c->next);
    return c;
}

/* Opens `count` connections, a bounded number of them at once; true when all of them got ready. */
static bool open_all(struct connection **into, int count, enum role role)
{
    double limit = now_s() + OPENING_LIMIT_S;
    int before = totals.ready;
    for (int i = 0; i < count; i++) {
        into[i] = open_one(i, role);
        while (i + 1 - (totals.ready - before) - totals.closed >= options.parallel && now_s() < limit)
            pump(10);
        pump(0);
    }
    while (totals.ready - before + totals.closed < count && now_s() < limit)
        pump(50);
    return totals.ready - before == count;
}

/*
 * Lets time pass, with every connection's heart-beat once in its interval, spread evenly. It looks at what came now and
 * then: were it to wait in the kernel, each write of the server would have to wake it, and the server's CPU time be charged.
 */
static void wait_quietly(double seconds)
{
    double start = now_s(), end = start + seconds;
    static double owed;
    static int turn;
    for (double last = start, now; (now = now_s()) < end; last = now) {
        if (options.heart_beat_s > 0)
            owed += (now - last) * options.subscribers / options.heart_beat_s;
        for (; owed >= 1; owed--)
            send_heart_beat(subscribers[turn++ % options.subscribers]);
        usleep(10000);
        while (pump(0) > 0)
            ;
    }
}

static uint64_t expected_deliveries(void)
{
    return totals.published * (options.answers || options.queue ? 1 : (uint64_t)options.subscribers);
}

static bool more_wanted(void)
{
    return !options.publications || totals.published < (uint64_t)options.publications;
}

static void publish_answers(void)
{
    for (int i = 0; i < options.subscribers; i++)
        while (subscribers[i]->published - subscribers[i]->received < (uint64_t)options.window && more_wanted() &&
               subscribers[i]->state == READY)
            publish(subscribers[i], now_ns());
}

/* The window is one of deliveries: publications times subscribers, so that a fast client need not wait for a slow one. */
static void publish_window(void)
{
    uint64_t window = (uint64_t)options.window * options.subscribers;
    static int turn;
    uint64_t each = options.queue ? 1 : options.subscribers;
    while (expected_deliveries() - totals.delivered + each <= window && more_wanted())
        publish(publishers[turn++ % options.publishers], now_ns());
}

/* Publishes by the clock: what is late counts from when it was due. Returns how long nothing is due, in milliseconds. */
static int publish_rate(double *due_s)
{
    static int turn;
    while (*due_s <= now_s() && more_wanted()) {
        publish(publishers[turn++ % options.publishers], *due_s * 1e9);
        *due_s += 1 / options.rate;
    }
    return (*due_s - now_s()) * 1000; /* rounded down: the last millisecond is spent asking */
}

static void run(double seconds)
{
    double end = now_s() + seconds, due_s = now_s();
    while (now_s() < end && more_wanted() && !totals.closed && !phase_over) {
        int timeout_ms = 10;
        if (options.answers)
            publish_answers();
        else if (options.rate > 0)
            timeout_ms = publish_rate(&due_s);
        else
            publish_window();
        pump(timeout_ms < 0 ? 0 : timeout_ms);
    }
    phase_over = 0;
}

/* Waits for what is still on its way, as long as anything arrives. */
static void drain(void)
{
    uint64_t seen = totals.delivered;
    for (double quiet = now_s(); totals.delivered < expected_deliveries() && now_s() < quiet + STALLED_S;) {
        pump(10);
        if (totals.delivered != seen) {
            seen = totals.delivered;
            quiet = now_s();
        }
    }
}

/* Every client by itself: how many got less than they should have, how many more. Of a queue: whether all came. */
static void compare(int *too_few, int *too_many)
{
    *too_few = *too_many = 0;
    if (options.queue) {
        *too_few = totals.delivered < totals.published;
        return;
    }
    for (int i = 0; i < options.subscribers; i++) {
        uint64_t expected = options.answers ? subscribers[i]->published : totals.published;
        *too_few += subscribers[i]->received < expected;
        *too_many += subscribers[i]->received > expected;
    }
}

static double per(double amount, double of)
{
    return of > 0 ? amount / of : 0;
}

/* Whether the server's heart-beats came as often as it promised while the connections were held. */
static bool beats_are_whole(struct reading from, struct reading to)
{
    double wanted = options.beats_s > 0 ? (to.at_s - from.at_s) / options.beats_s * options.subscribers : 0;
    return to.heart_beats - from.heart_beats >= wanted * .95;
}

static bool report(bool all_open, double opening_s, double opening_cpu_s, const long resident[3], const struct reading held[2],
                   struct reading from, struct reading to)
{
    int too_few, too_many;
    compare(&too_few, &too_many);
    double wall = to.at_s - from.at_s, cpu = to.server_cpu_s - from.server_cpu_s;
    double delivered = to.delivered - from.delivered;
    bool whole = all_open && !too_few && !too_many && !totals.errors && !totals.gaps && !totals.disorder && !totals.duplicates &&
                 !totals.misdelivered && beats_are_whole(held[0], held[1]);
    printf("{\"ok\":%s,\"subscribers\":%d,\"ready\":%d,\"openingS\":%.3f,\"connectsPerS\":%.0f,\"connectsPerCpuS\":%.0f,",
           whole ? "true" : "false", options.subscribers, totals.ready, opening_s, per(options.subscribers, opening_s),
           per(options.subscribers, opening_cpu_s));
    printf("\"bytesPerConnection\":%.0f,\"bytesPerConnectionHeld\":%.0f,\"heartBeats\":%lu,",
           (double)(resident[1] - resident[0]) / options.subscribers, (double)(resident[2] - resident[0]) / options.subscribers,
           totals.heart_beats);
    double held_cpu_s = held[1].server_cpu_s - held[0].server_cpu_s;
    uint64_t held_beats = held[1].heart_beats - held[0].heart_beats;
    printf("\"heldCores\":%.4f,\"heldBeats\":%lu,\"cpuUsPerBeat\":%.2f,\"percentOfCore\":%.2f,",
           per(held_cpu_s, held[1].at_s - held[0].at_s), held_beats, per(held_cpu_s * 1e6, held_beats),
           per(held_cpu_s * 100 * CROWD_BEATS_PER_S, held_beats));
    printf("\"seconds\":%.3f,\"publishedPerS\":%.0f,\"deliveredPerS\":%.0f,\"deliveredPerCpuS\":%.0f,\"serverCores\":%.3f,\"ownCores\":%.3f,",
           wall, per(to.published - from.published, wall), per(delivered, wall), per(delivered, cpu), per(cpu, wall),
           per(to.own_cpu_s - from.own_cpu_s, wall));
    printf("\"p50Us\":%.1f,\"p90Us\":%.1f,\"p99Us\":%.1f,\"p999Us\":%.1f,\"maxUs\":%.1f,", latency_us(.5), latency_us(.9),
           latency_us(.99), latency_us(.999), latency_max_us());
    printf("\"expected\":%lu,\"received\":%lu,\"clientsWithTooFew\":%d,\"clientsWithTooMany\":%d,\"gaps\":%lu,\"disorder\":%lu,"
           "\"duplicates\":%lu,\"misdelivered\":%lu,\"closed\":%d,\"errors\":%lu}\n",
           expected_deliveries(), totals.delivered, too_few, too_many, totals.gaps, totals.disorder, totals.duplicates,
           totals.misdelivered, totals.closed, totals.errors);
    return whole;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGUSR1, end_phase);
    parse_options(argc, argv);
    if (options.tokens)
        tokens_read(options.tokens);
    loop_init();
    subscribers = calloc(options.subscribers, sizeof *subscribers);
    publishers = calloc(options.publishers + 1, sizeof *publishers);

    long resident[3] = {resident_bytes(options.server)};
    struct reading start = read_now();
    bool all_open = open_all(subscribers, options.subscribers, SUBSCRIBER);
    struct reading open = read_now();
    all_open = open_all(publishers, options.publishers, PUBLISHER) && all_open;
    fprintf(stderr, "open\n"); /* the sign for a harness that starts something beside this */
    wait_quietly(options.settle_s);
    resident[1] = resident_bytes(options.server);
    struct reading held[2] = {read_now()};
    wait_quietly(options.hold_s);
    held[1] = read_now();
    resident[2] = resident_bytes(options.server);

    struct reading from = read_now(), to = from;
    if (all_open && options.publish) {
        if (!options.publications)
            run(options.warmup_s);
        latency_reset();
        from = read_now();
        run(options.publications ? OPENING_LIMIT_S : options.seconds);
        if (options.publications)
            drain();
        to = read_now();
        drain();
    }
    bool whole = report(all_open, open.at_s - start.at_s, open.server_cpu_s - start.server_cpu_s, resident, held, from, to);
    return whole ? 0 : 1;
}
