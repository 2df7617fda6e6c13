/* SPDX-License-Identifier: ISC */
#include "config.h"

#define LIBBSD_NETBSD_VIS 1 /* the argument order of NetBSD */

#include "log.h"

#include <bsd/string.h>
#include <bsd/vis.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_int level = LOG_INFO;
static enum log_target target = LOG_TO_STDERR;
static bool journal;

/* systemd.exec(5): JOURNAL_STREAM names the device and inode of the journal. */
static bool
log_stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long dev, ino;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%lu:%lu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

void
log_open(enum log_target t)
{
	target = t;
	if (t == LOG_TO_SYSLOG)
		openlog("mpushd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	else
		journal = log_stderr_is_journal();
}

void
log_set_level(int priority)
{
	atomic_store_explicit(&level, priority, memory_order_relaxed);
}

bool
log_enabled(int priority)
{
	return priority <= atomic_load_explicit(&level, memory_order_relaxed);
}

static void
log_write_stderr(int priority, const char *text)
{
	char line[LOG_LINE_MAX + 8];
	size_t len;
	ssize_t n;

	if (journal)
		snprintf(line, sizeof(line) - 1, "<%d>%s", priority, text);
	else
		snprintf(line, sizeof(line) - 1, "%s", text);
	len = strlen(line);
	line[len++] = '\n';
	/* There is nobody to tell when stderr is gone. */
	n = write(STDERR_FILENO, line, len);
	(void)n;
}

void
log_write(int priority, const char *fmt, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	if (!log_enabled(priority))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (target == LOG_TO_SYSLOG)
		syslog(priority, "%s", text);
	else
		log_write_stderr(priority, text);
}

const char *
log_escape(char out[LOG_ESCAPE_MAX], const char *text, size_t len)
{
	size_t take = len < 60 ? len : 60;

	out[0] = '\0';
	/* Four bytes a byte at the most: 240 and the dots fit. */
	strvisx(out, text, take, VIS_CSTYLE | VIS_TAB | VIS_NL | VIS_OCTAL);
	if (take < len)
		strlcat(out, "...", LOG_ESCAPE_MAX);
	return out;
}
