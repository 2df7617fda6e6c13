/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "message.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define MESSAGE_TITLE    "\"title\":\""
#define MESSAGE_CONTENT  "\",\"content\":\""
#define MESSAGE_PRIORITY ",\"priority\":"
#define MESSAGE_URL      ",\"url\":\""
#define MESSAGE_TAGS     ",\"tags\":\""
#define MESSAGE_FRAME    (sizeof(MESSAGE_TITLE MESSAGE_CONTENT "\"") - 1)
#define MESSAGE_BYTES    (UINT64_MAX / 255) /* times a byte: it, eight times */

struct message {
	atomic_uint refs;
	int priority;
	uint64_t time;
	uint64_t collapse;
	size_t len;
	char text[];
};

/* The letter after the backslash, 'u' for \u00XX; 0 for a byte that stays. */
static char
message_letter(char c)
{
	static const char controls[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";

	if ((unsigned char)c < 0x20)
		return controls[(unsigned char)c];
	return c == '"' || c == '\\' ? c : '\0';
}

/* Not zero when a byte of the word is below N, which is at most 128. */
static uint64_t
message_has_less(uint64_t word, uint8_t n)
{
	return (word - MESSAGE_BYTES * n) & ~word & MESSAGE_BYTES * 0x80;
}

static bool
message_word_is_plain(const char *src)
{
	uint64_t word;

	memcpy(&word, src, sizeof(word));
	return (message_has_less(word, 0x20) |
		   message_has_less(word ^ MESSAGE_BYTES * '"', 1) |
		   message_has_less(word ^ MESSAGE_BYTES * '\\', 1)) == 0;
}

/* How many bytes at SRC need no escape. */
static size_t
message_plain_run(const char *src, size_t len)
{
	size_t n = 0;

	while (len - n >= 8 && message_word_is_plain(src + n))
		n += 8;
	while (n < len && message_letter(src[n]) == '\0')
		n++;
	return n;
}

/* Escape one byte to DST, unless that is NULL; returns the bytes it takes. */
static size_t
message_escape_byte(char *dst, char c)
{
	char letter = message_letter(c);

	if (dst != NULL) {
		dst[0] = '\\';
		dst[1] = letter;
	}
	if (letter != 'u')
		return 2;
	if (dst != NULL) {
		dst[2] = dst[3] = '0';
		dst[4] = "01"[c >> 4];
		dst[5] = "0123456789abcdef"[c & 15];
	}
	return 6;
}

size_t
message_escape(char *dst, const char *src, size_t len)
{
	size_t run, at = 0, n = 0;

	while (at < len) {
		run = message_plain_run(src + at, len - at);
		if (dst != NULL)
			memcpy(dst + n, src + at, run);
		at += run;
		n += run;
		if (at == len)
			break;
		n += message_escape_byte(dst != NULL ? dst + n : NULL, src[at]);
		at++;
	}
	return n;
}

static char *
message_append(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static struct message *
message_alloc(size_t len, uint64_t time, uint64_t collapse)
{
	struct message *m = malloc(sizeof(*m) + len);

	if (m == NULL)
		return NULL;
	atomic_init(&m->refs, 1);
	m->time = time;
	m->collapse = collapse;
	m->len = len;
	return m;
}

/* Within a string its quotes would be escaped. */
static int
message_find_priority(const char *text, size_t len)
{
	size_t n = strlen(MESSAGE_PRIORITY);
	const char *at = memmem(text, len, MESSAGE_PRIORITY, n);

	if (at == NULL || (size_t)(at - text) + n >= len || at[n] < '1' ||
	    at[n] > '5')
		return 0;
	return at[n] - '0';
}

struct message *
message_restore(const char *text, size_t len, uint64_t time, uint64_t collapse)
{
	struct message *m = message_alloc(len, time, collapse);

	if (m == NULL)
		return NULL;
	memcpy(m->text, text, len);
	m->priority = message_find_priority(text, len);
	return m;
}

/* Append ,"NAME":"TEXT" unless TEXT is NULL; with AT NULL only counts. */
static size_t
message_add_text(char *at, const char *name, const char *text, size_t len)
{
	size_t n = strlen(name);

	if (text == NULL)
		return 0;
	if (at != NULL)
		memcpy(at, name, n);
	n += message_escape(at != NULL ? at + n : NULL, text, len);
	if (at != NULL)
		at[n] = '"';
	return n + 1;
}

static size_t
message_add_priority(char *at, int priority)
{
	size_t n = strlen(MESSAGE_PRIORITY);

	if (priority == 0)
		return 0;
	if (at != NULL) {
		memcpy(at, MESSAGE_PRIORITY, n);
		at[n] = (char)('0' + priority);
	}
	return n + 1;
}

/* What follows title and content; with AT NULL only counts. */
static size_t
message_add_extras(char *at, const struct message_parts *p)
{
	size_t n = message_add_priority(at, p->priority);

	n += message_add_text(at != NULL ? at + n : NULL, MESSAGE_URL, p->url,
	    p->url_len);
	return n + message_add_text(at != NULL ? at + n : NULL, MESSAGE_TAGS,
		       p->tags, p->tags_len);
}

struct message *
message_make(const struct message_parts *p, uint64_t time)
{
	size_t len = MESSAGE_FRAME +
		     message_escape(NULL, p->title, p->title_len) +
		     message_escape(NULL, p->content, p->content_len) +
		     message_add_extras(NULL, p);
	struct message *m;
	char *at;

	CHECK(p->priority >= 0 && p->priority <= 5);
	m = message_alloc(len, time, p->collapse);
	if (m == NULL)
		return NULL;
	m->priority = p->priority;
	at = message_append(m->text, MESSAGE_TITLE, strlen(MESSAGE_TITLE));
	at += message_escape(at, p->title, p->title_len);
	at = message_append(at, MESSAGE_CONTENT, strlen(MESSAGE_CONTENT));
	at += message_escape(at, p->content, p->content_len);
	*at++ = '"';
	at += message_add_extras(at, p);
	CHECK(at == m->text + len);
	return m;
}

struct message *
message_new(const char *title, size_t title_len, const char *content,
    size_t content_len, uint64_t time)
{
	struct message_parts parts = {
		.title = title,
		.title_len = title_len,
		.content = content,
		.content_len = content_len,
	};

	return message_make(&parts, time);
}

struct message *
message_ref(struct message *m)
{
	unsigned int before;

	before = atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	CHECK(before > 0 && before < UINT_MAX);
	return m;
}

void
message_unref(struct message **mp)
{
	struct message *m = *mp;
	unsigned int before;

	*mp = NULL;
	if (m == NULL)
		return;
	before = atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before == 1)
		free(m);
}

const char *
message_text(const struct message *m, size_t *len)
{
	*len = m->len;
	return m->text;
}

uint64_t
message_time(const struct message *m)
{
	return m->time;
}

uint64_t
message_collapse(const struct message *m)
{
	return m->collapse;
}

int
message_priority(const struct message *m)
{
	return m->priority;
}
