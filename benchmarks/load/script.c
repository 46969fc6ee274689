/*
 * Scripts: what a client sends, written as text.
 *
 *   \n \r \0 \\   the characters themselves
 *   %d            number of the connection
 *   %n            number of the publication, eight digits
 *   %m            the mark of the publication, filled up with 'x' to the length of a body
 *   %t            this connection's token
 *
 * What differs between two publications of one connection has a fixed width, so that a frame is made once and
 * stamped from then on: a load generator that formats text for every message would measure itself.
 */
#define _GNU_SOURCE
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **tokens;
static size_t token_count;

void tokens_read(const char *file)
{
    FILE *in = fopen(file, "r");
    if (!in) {
        perror(file);
        exit(2);
    }
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, in)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        tokens = realloc(tokens, (token_count + 1) * sizeof *tokens);
        tokens[token_count++] = strdup(line);
    }
    free(line);
    fclose(in);
}

static const char *token_of(int number)
{
    if (!token_count) {
        fprintf(stderr, "a script asks for %%t, but there are no --tokens\n");
        exit(2);
    }
    return tokens[number % token_count];
}

/* Length of the WebSocket header that a client writes before `length` bytes: with a mask, of four zeros. A zero mask costs the
 * server what any other does, and leaves the payload readable here. */
static size_t header_write(uint8_t *at, int opcode, size_t length)
{
    size_t n = 0;
    at[n++] = 0x80 | opcode;
    if (length < 126) {
        at[n++] = 0x80 | length;
    } else if (length < 65536) {
        at[n++] = 0x80 | 126;
        at[n++] = length >> 8;
        at[n++] = length;
    } else {
        at[n++] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            at[n++] = (uint64_t)length >> shift;
    }
    memset(at + n, 0, 4);
    return n + 4;
}

struct frame frame_control(int opcode, const void *payload, size_t length)
{
    struct frame frame = {.bytes = malloc(length + 14)};
    size_t header = header_write(frame.bytes, opcode, length);
    memcpy(frame.bytes + header, payload, length);
    frame.length = header + length;
    return frame;
}

static char escaped(char letter)
{
    switch (letter) {
    case 'n': return '\n';
    case 'r': return '\r';
    case '0': return '\0';
    default: return letter;
    }
}

struct frame frame_make(const char *script, int number)
{
    size_t room = strlen(script) + options.body_bytes + MARK_BYTES + 64;
    if (strstr(script, "%t"))
        room += strlen(token_of(number));
    char *text = calloc(1, room);
    size_t length = 0, mark_at = 0, number_at = 0;

    for (const char *s = script; *s; s++) {
        if (*s == '\\' && s[1]) {
            text[length++] = escaped(*++s);
        } else if (*s == '%' && s[1]) {
            switch (*++s) {
            case 'd':
                length += sprintf(text + length, "%d", number);
                break;
            case 't':
                length += sprintf(text + length, "%s", token_of(number));
                break;
            case 'n':
                number_at = length;
                length += sprintf(text + length, "%08u", 0u);
                break;
            case 'm':
                mark_at = length;
                memset(text + length, 'x', options.body_bytes);
                memcpy(text + length, "<<0000-00000000>>", MARK_BYTES);
                length += options.body_bytes;
                break;
            default:
                text[length++] = *s;
            }
        } else {
            text[length++] = *s;
        }
    }
    struct frame frame = frame_control(options.binary ? 2 : 1, text, length);
    size_t header = frame.length - length;
    frame.mark_at = mark_at ? mark_at + header : 0;
    frame.number_at = number_at ? number_at + header : 0;
    free(text);
    return frame;
}

void frame_free(struct frame *frame)
{
    free(frame->bytes);
    frame->bytes = NULL;
}

static void hex_write(uint8_t *at, uint32_t value, int digits)
{
    while (digits--) {
        at[digits] = "0123456789abcdef"[value & 15];
        value >>= 4;
    }
}

void frame_stamp(struct frame *frame, uint32_t sender, uint32_t number)
{
    if (frame->mark_at) {
        hex_write(frame->bytes + frame->mark_at + 2, sender, 4);
        hex_write(frame->bytes + frame->mark_at + 7, number, 8);
    }
    if (frame->number_at) {
        uint8_t *at = frame->bytes + frame->number_at;
        for (int digit = 7; digit >= 0; digit--, number /= 10)
            at[digit] = '0' + number % 10;
    }
}

static bool hex_read(const uint8_t *at, int digits, uint32_t *value)
{
    uint32_t result = 0;
    while (digits--) {
        unsigned c = *at++;
        unsigned digit = c - '0' < 10 ? c - '0' : c - 'a' < 6 ? c - 'a' + 10 : 16;
        if (digit > 15)
            return false;
        result = result << 4 | digit;
    }
    *value = result;
    return true;
}

bool mark_read(const uint8_t *at, uint32_t *sender, uint32_t *number)
{
    return at[0] == '<' && at[1] == '<' && at[6] == '-' && at[15] == '>' && hex_read(at + 2, 4, sender) &&
           hex_read(at + 7, 8, number);
}
