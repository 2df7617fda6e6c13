/* SPDX-License-Identifier: ISC */
/*
 * log - lines for the administrator, "area[where]: what happened", to stderr,
 * to the journal (stderr with a "<n>" prefix) or to syslog.
 * Thread: any, but log_open the main thread's while others do not log; a line
 * is one write, so lines never mix.
 * Limits: a line is cut at LOG_LINE_MAX bytes.
 */
#ifndef MPUSHD_LOG_H
#define MPUSHD_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <syslog.h>

#define LOG_LINE_MAX   1024 /* bytes */
#define LOG_ESCAPE_MAX 256  /* bytes of escaped peer text, with the NUL */

enum log_target {
	LOG_TO_STDERR, /* plain, or "<n>" when the journal reads it */
	LOG_TO_SYSLOG,
};

/* Choose where lines go from now on; until then they go to stderr. */
void log_open(enum log_target);

/* Let lines up to PRIORITY through (LOG_ERR ... LOG_DEBUG); default LOG_INFO. */
void log_set_level(int priority);

/* True when a line of PRIORITY would be written. */
bool log_enabled(int priority);

/* Write one line at PRIORITY of syslog(3); printf(3) format, no newline. */
void log_write(int priority, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

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
