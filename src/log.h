/* SPDX-License-Identifier: ISC */
/*
 * log - lines for the administrator, "area: what happened key=value", to
 * stderr, to the journal or to syslog.  In the journal each key is a field of
 * its own too: MPUSHD_DEVICE for device (systemd's native protocol).
 * Thread: any, but log_open the main thread's while others do not log; a line
 * is one write, so lines never mix.
 * Limits: a line is cut at LOG_LINE_MAX bytes, a value in it at LOG_SHOWN_MAX
 * and in the journal at LOG_VALUE_MAX.
 */
#ifndef MPUSHD_LOG_H
#define MPUSHD_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <syslog.h>

#define LOG_LINE_MAX   1024  /* bytes */
#define LOG_VALUE_MAX  512   /* bytes of a value; the rest is left out */
#define LOG_SHOWN_MAX  256   /* bytes of one in a line, escaped */
#define LOG_FIELDS_MAX 8     /* of one event */
#define LOG_BURST      5     /* events of one log_limit */
#define LOG_WINDOW     60000 /* in so many milliseconds */
#define LOG_JOURNAL    "/run/systemd/journal/socket"
#define LOG_ESCAPE_MAX 256 /* bytes of escaped peer text, with the NUL */

enum log_target {
	LOG_TO_STDERR, /* plain, or "<n>" when the journal reads it */
	LOG_TO_SYSLOG,
};

/* One key and its value, which may be any bytes. */
struct log_field {
	const char *key; /* small letters and '_'; NULL ends a list */
	const char *text;
	size_t len;
	uint64_t number; /* with TEXT NULL */
};

/* How often something may still be logged; all zero bytes is the start. */
struct log_limit {
	_Atomic uint64_t until; /* of this window: monotonic milliseconds */
	atomic_uint count;      /* in it */
};

/* Choose where lines go from now on; until then they go to stderr. */
void log_open(enum log_target);

/* Where the journal listens, for log_open: LOG_JOURNAL, but for tests. */
void log_set_journal(const char *path);

/* Let lines up to PRIORITY through (LOG_ERR ... LOG_DEBUG); default LOG_INFO. */
void log_set_level(int priority);

/* True when a line of PRIORITY would be written. */
bool log_enabled(int priority);

/* Write one line at PRIORITY of syslog(3); printf(3) format, no newline. */
void log_write(int priority, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Write one event: the sentence, and the fields behind it as " key=value", or
 * " key=\"value\"" where the value has other bytes than a word has.  A value
 * that is long ends in "...": what is behind it has to be read too.
 */
void log_event(int priority, const struct log_field *fields, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* A list of fields: LOG_FIELDS(log_text("peer", p), log_number("status", n)) */
#define LOG_FIELDS(...)                                                        \
	((const struct log_field[]){ __VA_ARGS__, { NULL, NULL, 0, 0 } })

static inline struct log_field
log_bytes(const char *key, const char *text, size_t len)
{
	return (struct log_field){ key, text, len, 0 };
}

static inline struct log_field
log_text(const char *key, const char *text)
{
	return (struct log_field){ key, text, strlen(text), 0 };
}

static inline struct log_field
log_number(const char *key, uint64_t number)
{
	return (struct log_field){ key, NULL, 0, number };
}

/*
 * True when an event that peers can cause may be logged at NOW (monotonic
 * milliseconds): LOG_BURST of them in LOG_WINDOW, whatever the threads do, or
 * one or two more.  *LEFT_OUT is set to how many were not before this one.
 */
bool log_may(struct log_limit *, uint64_t now, unsigned int *left_out);

/*
 * Make LEN bytes from a peer fit for a line: vis(3) escapes, cut with "..."
 * when long.  Writes to OUT and returns it.
 */
const char *log_escape(char out[LOG_ESCAPE_MAX], const char *, size_t len);

#define log_err(...)    log_write(LOG_ERR, __VA_ARGS__)
#define log_warn(...)   log_write(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)   log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                         \
	do {                                                                   \
		if (log_enabled(LOG_DEBUG))                                    \
			log_write(LOG_DEBUG, __VA_ARGS__);                     \
	} while (0)

#endif
