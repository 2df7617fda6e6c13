/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_fault.h"

#include <stdarg.h>
#include <stdbool.h>

#include "conf.h"
#include "jsontext.h"

/* Count one more; false when it is not to be printed. */
static bool
conf_fault_count(struct conf_faults *f)
{
	if (f->count < CONF_FAULTS_MAX) {
		f->count++;
		return true;
	}
	if (f->count == CONF_FAULTS_MAX) {
		f->count++;
		fprintf(f->out,
		    "%s:1: more than %d faults, the rest is not shown\n",
		    f->file != NULL ? f->file : "-o", CONF_FAULTS_MAX);
	}
	return false;
}

static void __attribute__((format(printf, 2, 0)))
conf_fault_print(FILE *out, const char *fmt, va_list ap)
{
	vfprintf(out, fmt, ap);
	fputc('\n', out);
}

void
conf_fault_at_line(struct conf_faults *f, int line, const char *fmt, ...)
{
	va_list ap;

	if (!conf_fault_count(f))
		return;
	fprintf(f->out, "%s:%d: ", f->file, line);
	va_start(ap, fmt);
	conf_fault_print(f->out, fmt, ap);
	va_end(ap);
}

void
conf_fault_in_file(struct conf_faults *f, const char *file, int line,
    const char *text)
{
	if (conf_fault_count(f))
		fprintf(f->out, "%s:%d: %s\n", file, line, text);
}

static void
conf_fault_print_place(const struct conf_place *at, long index, bool with_key)
{
	const struct conf_faults *f = at->faults;
	int line;

	if (at->member < 0) {
		fprintf(f->out, "-o %s: ", at->key);
		return;
	}
	line = jsontext_member_line(f->text, f->len, (size_t)at->member, index);
	fprintf(f->out, "%s:%d: ", f->file, line);
	if (with_key)
		fprintf(f->out, "%s: ", at->key);
}

void
conf_fault_at(const struct conf_place *at, long index, const char *fmt, ...)
{
	va_list ap;

	if (!conf_fault_count(at->faults))
		return;
	conf_fault_print_place(at, index, true);
	va_start(ap, fmt);
	conf_fault_print(at->faults->out, fmt, ap);
	va_end(ap);
}

void
conf_fault_at_key(const struct conf_place *at, const char *fmt, ...)
{
	va_list ap;

	if (!conf_fault_count(at->faults))
		return;
	conf_fault_print_place(at, -1, false);
	va_start(ap, fmt);
	conf_fault_print(at->faults->out, fmt, ap);
	va_end(ap);
}

const char *
conf_fault_quote(char *out, const char *text, size_t len)
{
	size_t i, n = len < CONF_QUOTE_MAX ? len : CONF_QUOTE_MAX;
	unsigned char c;

	/* Cut between characters. */
	while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--;
	for (i = 0; i < n; i++) {
		c = (unsigned char)text[i];
		out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	snprintf(out + n, 4, "%s", n < len ? "..." : "");
	return out;
}
