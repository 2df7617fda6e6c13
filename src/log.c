/* SPDX-License-Identifier: ISC */
#include "config.h"

#define LIBBSD_NETBSD_VIS 1 /* the argument order of NetBSD */

#include "log.h"

#include <bsd/string.h>
#include <bsd/vis.h>
#include <ctype.h>
#include <endian.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_int level = LOG_INFO;
static enum log_target target = LOG_TO_STDERR;
static bool journal;
static int journal_fd = -1; /* connected to the journal, or -1 */
static const char *journal_path = LOG_JOURNAL;

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
log_set_journal(const char *path)
{
	journal_path = path;
}

/* Without the socket there is still stderr. */
static void
log_connect_journal(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	/* Never when the lines go elsewhere: a thread may be sending on it. */
	if (journal_fd != -1)
		close(journal_fd);
	journal_fd = -1;
	if (strlcpy(address.sun_path, journal_path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path))
		return;
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal_fd != -1 && connect(journal_fd, (struct sockaddr *)&address,
				    sizeof(address)) == -1) {
		close(journal_fd);
		journal_fd = -1;
	}
}

void
log_open(enum log_target t)
{
	target = t;
	journal = t == LOG_TO_STDERR && log_stderr_is_journal();
	if (journal)
		log_connect_journal();
	if (t == LOG_TO_SYSLOG)
		openlog("mpushd", LOG_PID | LOG_NDELAY, LOG_DAEMON);
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

/* A message for the journal in the making. */
struct log_entry {
	char buf[LOG_LINE_MAX + LOG_FIELDS_MAX * (LOG_VALUE_MAX + 64)];
	size_t len;
};

/*
 * Append KEY=VALUE, or with a newline in the value KEY, a newline, the length
 * as a little-endian number of 64 bits and the value (systemd's journal-native
 * protocol).
 */
static void
log_entry_add(struct log_entry *e, const char *prefix, const char *key,
    const char *value, size_t len)
{
	size_t room = sizeof(e->buf) - e->len, need, i;
	uint64_t size = htole64(len);
	char *at = e->buf + e->len;

	need = strlen(prefix) + strlen(key) + len + sizeof(size) + 2;
	if (need > room)
		return;
	at = stpcpy(at, prefix);
	for (i = 0; key[i] != '\0'; i++)
		*at++ = (char)toupper((unsigned char)key[i]);
	if (memchr(value, '\n', len) != NULL) {
		*at++ = '\n';
		memcpy(at, &size, sizeof(size));
		at += sizeof(size);
	} else {
		*at++ = '=';
	}
	memcpy(at, value, len);
	at[len] = '\n';
	e->len = (size_t)(at + len + 1 - e->buf);
}

static size_t
log_field_value(const struct log_field *f, char number[24], const char **value)
{
	if (f->text == NULL) {
		*value = number;
		return (size_t)snprintf(number, 24, "%" PRIu64, f->number);
	}
	*value = f->text;
	return f->len;
}

/* True when the journal has taken it; it never waits for that. */
static bool
log_send_journal(int priority, const struct log_field *fields, const char *text)
{
	struct log_entry e = { .len = 0 };
	const char *value;
	char number[24];
	size_t len;
	int n;

	if (!journal || journal_fd == -1)
		return false;
	log_entry_add(&e, "", "MESSAGE", text, strlen(text));
	n = snprintf(number, sizeof(number), "%d", priority);
	log_entry_add(&e, "", "PRIORITY", number, (size_t)n);
	log_entry_add(&e, "", "SYSLOG_IDENTIFIER", "mpushd", strlen("mpushd"));
	log_entry_add(&e, "MPUSHD_", "AREA", text, strcspn(text, ":[ "));
	for (; fields != NULL && fields->key != NULL; fields++) {
		len = log_field_value(fields, number, &value);
		log_entry_add(&e, "MPUSHD_", fields->key, value,
		    len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX);
	}
	return send(journal_fd, e.buf, e.len, MSG_NOSIGNAL | MSG_DONTWAIT) ==
	       (ssize_t)e.len;
}

static void
log_put(int priority, const struct log_field *fields, const char *text)
{
	if (target == LOG_TO_SYSLOG)
		syslog(priority, "%s", text);
	else if (!log_send_journal(priority, fields, text))
		log_write_stderr(priority, text);
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
	log_put(priority, NULL, text);
}

/* True for a value that needs no quotes. */
static bool
log_is_word(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if ((unsigned char)text[i] <= ' ' ||
		    (unsigned char)text[i] >= 0x7f ||
		    strchr("\"=\\", text[i]) != NULL)
			return false;
	}
	return len > 0;
}

/* How much of escaped text fits into MAX bytes without cutting an escape. */
static size_t
log_fit_escaped(const char *text, size_t max)
{
	size_t at = 0, next, digits;

	for (;;) {
		next = at + 1;
		if (text[at] == '\\') {
			digits = strspn(text + next, "01234567");
			next += digits == 0 ? 1 : digits < 3 ? digits : 3;
		}
		if (text[at] == '\0' || next > max)
			return at;
		at = next;
	}
}

/*
 * Append bytes as one value: what is not printable escaped as vis(3) does, a
 * quote and a backslash by a backslash.
 */
static void
log_append_value(char *line, const char *text, size_t len)
{
	char escaped[LOG_VALUE_MAX * 4 + 1] = "";
	size_t take = len < LOG_VALUE_MAX ? len : LOG_VALUE_MAX, fits;
	const char *quote = log_is_word(text, take) ? "" : "\"";
	bool cut;

	/* It needs memory, and writes nothing when there is none. */
	strvisx(escaped, text, take,
	    VIS_CSTYLE | VIS_TAB | VIS_NL | VIS_OCTAL | VIS_DQ);
	fits = log_fit_escaped(escaped, LOG_SHOWN_MAX);
	cut = take < len || escaped[fits] != '\0';
	escaped[fits] = '\0';
	strlcat(line, quote, LOG_LINE_MAX);
	strlcat(line, escaped, LOG_LINE_MAX);
	strlcat(line, cut ? "..." : "", LOG_LINE_MAX);
	strlcat(line, quote, LOG_LINE_MAX);
}

void
log_event(int priority, const struct log_field *fields, const char *fmt, ...)
{
	const struct log_field *f;
	char text[LOG_LINE_MAX], number[24];
	const char *value;
	va_list ap;
	size_t len;

	if (!log_enabled(priority))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (f = fields; f->key != NULL; f++) {
		strlcat(text, " ", sizeof(text));
		strlcat(text, f->key, sizeof(text));
		strlcat(text, "=", sizeof(text));
		len = log_field_value(f, number, &value);
		log_append_value(text, value, len);
	}
	log_put(priority, fields, text);
}

bool
log_may(struct log_limit *l, uint64_t now, unsigned int *left_out)
{
	uint64_t until = atomic_load(&l->until);
	unsigned int before;

	*left_out = 0;
	if (now >= until && atomic_compare_exchange_strong(&l->until, &until,
				now + LOG_WINDOW)) {
		before = atomic_exchange(&l->count, 1);
		*left_out = before > LOG_BURST ? before - LOG_BURST : 0;
		return true;
	}
	return atomic_fetch_add(&l->count, 1) < LOG_BURST;
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
