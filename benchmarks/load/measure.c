/* Latencies, and what the kernel says about the server. */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Buckets grow with the value: 32 to each power of two, so a figure is right to 3 %. */
enum { FINE = 32, POWERS = 40 };
static uint64_t buckets[POWERS * FINE];
static uint64_t bucket_total;
static uint64_t longest_ns;

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

double now_s(void)
{
    return now_ns() / 1e9;
}

void latency_reset(void)
{
    memset(buckets, 0, sizeof buckets);
    bucket_total = longest_ns = 0;
}

void latency_add(uint64_t ns, uint64_t times)
{
    if (ns > longest_ns)
        longest_ns = ns;
    uint64_t tenths = ns / 100 + FINE; /* of a microsecond; the smallest bucket is one wide */
    int power = 63 - __builtin_clzll(tenths) - 5;
    size_t index = (size_t)power * FINE + (tenths >> power) - FINE;
    buckets[index < POWERS * FINE ? index : POWERS * FINE - 1] += times;
    bucket_total += times;
}

double latency_us(double quantile)
{
    uint64_t wanted = bucket_total * quantile, seen = 0;
    for (size_t i = 0; i < POWERS * FINE; i++) {
        seen += buckets[i];
        if (seen > wanted || (seen && seen == bucket_total)) {
            int power = i / FINE;
            double tenths = (double)((i % FINE + FINE) << power) + ((1ull << power) - 1) / 2.0 - FINE;
            return tenths / 10;
        }
    }
    return 0;
}

double latency_max_us(void)
{
    return longest_ns / 1e3;
}

double cpu_s(pid_t pid)
{
    if (!pid)
        return 0;
    char name[64], text[1024];
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    FILE *in = fopen(name, "r");
    if (!in)
        return 0;
    size_t length = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[length] = 0;
    const char *after_name = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (after_name)
        sscanf(after_name + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (user + system) / (double)sysconf(_SC_CLK_TCK);
}

long resident_bytes(pid_t pid)
{
    if (!pid)
        return 0;
    char name[64];
    snprintf(name, sizeof name, "/proc/%d/statm", (int)pid);
    FILE *in = fopen(name, "r");
    if (!in)
        return 0;
    long total = 0, resident = 0;
    if (fscanf(in, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    fclose(in);
    return resident * sysconf(_SC_PAGESIZE);
}
