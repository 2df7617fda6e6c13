/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "wire.h"

#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "check.h"

#define TITLE         "bench"
#define RUN_LEN       8  /* hexadecimal digits */
#define SEQ_LEN       10 /* decimal digits */
#define DEVICE_DIGITS 6

static const char *const answer_word[ANSWER_COUNT] = {
	[ANSWER_OK] = "ok",
	[ANSWER_ONLINE] = "online",
	[ANSWER_OFFLINE] = "offline",
	[ANSWER_NO] = "no",
};

/* Not zero, so that a server's unmasking does its whole work. */
static const uint8_t mask_key[4] = { 0x9d, 0x3a, 0xc5, 0x71 };

static void
digits_write(char *at, int count, uint32_t value)
{
	while (count-- > 0) {
		at[count] = (char)('0' + value % 10);
		value /= 10;
	}
}

void
wire_request_init(struct wire_request *r, const char *host, uint32_t run,
    size_t size)
{
	size_t padding;
	char *pad;
	int len;

	CHECK(size >= WIRE_SIZE_MIN && size <= WIRE_SIZE_MAX);
	r->run = run;
	r->content_len = size - strlen(TITLE);
	padding = r->content_len - RUN_LEN - SEQ_LEN;
	if ((pad = malloc(padding + 1)) == NULL)
		err(1, "request");
	memset(pad, 'x', padding);
	pad[padding] = '\0';
	len = asprintf(&r->bytes,
	    "GET /" WIRE_DEVICE_FORMAT "?title=" TITLE
	    "&content=%08x%010u%s HTTP/1.1\r\nHost: %s\r\n"
	    "User-Agent: mpush-bench/1.0\r\nAccept: */*\r\n\r\n",
	    0U, run, 0U, pad, host);
	if (len == -1)
		err(1, "request");
	free(pad);
	r->len = (size_t)len;
	r->device_at = r->bytes + strlen("GET /dev");
	r->seq_at =
	    strstr(r->bytes, "&content=") + strlen("&content=") + RUN_LEN;
}

void
wire_request_set(struct wire_request *r, uint32_t device, uint32_t seq)
{
	digits_write(r->device_at, DEVICE_DIGITS, device);
	digits_write(r->seq_at, SEQ_LEN, seq);
}

void
wire_request_free(struct wire_request *r)
{
	free(r->bytes);
	*r = (struct wire_request){ 0 };
}

/* The value of Content-Length, or -1. */
static ssize_t
answer_length(const char *head, const char *end)
{
	static const char name[] = "\r\nContent-Length:";
	const char *line;

	for (line = head; line < end; line++) {
		line = memchr(line, '\r', (size_t)(end - line));
		if (line == NULL)
			return -1;
		if (strncasecmp(line, name, sizeof(name) - 1) == 0)
			return strtol(line + sizeof(name) - 1, NULL, 10);
	}
	return -1;
}

static int
answer_word_parse(const char *body, size_t len, enum answer *answer)
{
	unsigned int i;

	for (i = 0; i < ANSWER_COUNT; i++) {
		if (strlen(answer_word[i]) != len ||
		    memcmp(answer_word[i], body, len) != 0)
			continue;
		*answer = (enum answer)i;
		return 0;
	}
	return -1;
}

ssize_t
wire_answer_parse(const char *bytes, size_t len, enum answer *answer)
{
	static const char version[] = "HTTP/1.1 ";
	const char *head_end, *body;
	ssize_t body_len;

	if ((head_end = memmem(bytes, len, "\r\n\r\n", 4)) == NULL)
		return 0;
	body = head_end + 4;
	if (strncmp(bytes, version, sizeof(version) - 1) != 0)
		return -1;
	/* The blank line ends every search of the head, even a failed one. */
	body_len = answer_length(bytes, head_end);
	if (body_len < 0)
		return -1;
	if (len - (size_t)(body - bytes) < (size_t)body_len)
		return 0;
	if (answer_word_parse(body, (size_t)body_len, answer) == -1)
		return -1;
	return body - bytes + body_len;
}

size_t
wire_upgrade_build(char *out, size_t size, const char *host)
{
	int len;

	/* Any key will do: the generator does not doubt its server. */
	len = snprintf(out, size,
	    "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"
	    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: bXB1c2gtYmVuY2gta2V5IQ==\r\n\r\n",
	    host);
	CHECK(len > 0 && (size_t)len < size);
	return (size_t)len;
}

/* Read the length of a frame into *VALUE; returns the header's size or 0. */
static size_t
frame_length(const uint8_t *bytes, size_t len, uint64_t *value)
{
	size_t i, extra;

	*value = bytes[1] & 0x7f;
	if (*value < 126)
		return 2;
	extra = *value == 126 ? 2 : 8;
	if (len < 2 + extra)
		return 0;
	for (*value = 0, i = 0; i < extra; i++)
		*value = *value << 8 | bytes[2 + i];
	return 2 + extra;
}

ssize_t
wire_frame_parse(const uint8_t *bytes, size_t len, struct wire_frame *frame)
{
	uint64_t payload_len;
	size_t header_len;

	if (len < 2)
		return 0;
	if ((bytes[0] & 0xf0) != 0x80 || (bytes[1] & 0x80) != 0)
		return -1;
	header_len = frame_length(bytes, len, &payload_len);
	if (header_len == 0 || len - header_len < payload_len)
		return 0;
	frame->opcode = bytes[0] & 0x0f;
	frame->payload = (const char *)bytes + header_len;
	frame->len = (size_t)payload_len;
	return (ssize_t)(header_len + frame->len);
}

void
wire_text_start(struct wire_text *t)
{
	t->len = 0;
}

void
wire_text_add(struct wire_text *t, const void *bytes, size_t len)
{
	CHECK(len <= WIRE_FRAME_MAX - t->len);
	memcpy(t->buf + 8 + t->len, bytes, len);
	t->len += len;
}

/* The payload begins at buf + 8; a short header begins two bytes later. */
uint8_t *
wire_text_finish(struct wire_text *t, size_t *len)
{
	uint8_t *payload = t->buf + 8, *frame;
	size_t i;

	for (i = 0; i < t->len; i++)
		payload[i] ^= mask_key[i & 3];
	memcpy(payload - 4, mask_key, 4);
	if (t->len < 126) {
		frame = t->buf + 2;
		frame[1] = (uint8_t)(0x80 | t->len);
	} else {
		frame = t->buf;
		frame[1] = 0x80 | 126;
		frame[2] = (uint8_t)(t->len >> 8);
		frame[3] = (uint8_t)t->len;
	}
	frame[0] = 0x81;
	*len = (size_t)(payload - frame) + t->len;
	return frame;
}

/* The text that follows KEY between *POS and END, or NULL. */
static const char *
message_find(const char *pos, const char *end, const char *key, size_t len)
{
	const char *at;

	if (pos >= end)
		return NULL;
	at = memmem(pos, (size_t)(end - pos), key, len);
	return at == NULL ? NULL : at + len;
}

int
wire_message_next(const char **pos, const char *end, size_t content_len,
    struct wire_message *m)
{
	static const char content[] = "\"content\":\"", mid[] = "\"mid\":\"";
	const char *p;

	m->content = message_find(*pos, end, content, sizeof(content) - 1);
	if (m->content == NULL)
		return 0;
	/* A shorter one can only be foreign; its mid follows all the same. */
	p = m->content;
	if ((size_t)(end - p) > content_len && p[content_len] == '"')
		p += content_len;
	if ((m->mid = message_find(p, end, mid, sizeof(mid) - 1)) == NULL)
		return -1;
	m->mid_value = 0;
	for (p = m->mid; p < end && isdigit((unsigned char)*p); p++)
		m->mid_value = m->mid_value * 10 + (uint64_t)(*p - '0');
	m->mid_len = (size_t)(p - m->mid);
	*pos = p;
	return p == end || *p != '"' || m->mid_len == 0 ? -1 : 1;
}

bool
wire_content_parse(const struct wire_request *r, const char *content,
    uint32_t *seq)
{
	const char *want = r->seq_at - RUN_LEN, *p;

	if (strncmp(content, want, RUN_LEN) != 0)
		return false;
	*seq = 0;
	for (p = content + RUN_LEN; p < content + RUN_LEN + SEQ_LEN; p++) {
		if (!isdigit((unsigned char)*p))
			return false;
		*seq = *seq * 10 + (uint32_t)(*p - '0');
	}
	/* A later byte must never be read unless all before it matched. */
	return strncmp(p, want + RUN_LEN + SEQ_LEN,
		   r->content_len - RUN_LEN - SEQ_LEN) == 0 &&
	       content[r->content_len] == '"';
}
