/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mpush_show.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "utf8.h"

#define MPUSH_SHOW_INDENT "    "

/* The length of the valid character at P, or 0. */
static size_t
mpush_show_char_len(const char *p, size_t len)
{
	size_t n;

	for (n = 1; n <= 4 && n <= len; n++) {
		if (utf8_valid(p, n))
			return n;
	}
	return 0;
}

static uint32_t
mpush_show_code(const char *p, size_t n)
{
	const unsigned char *u = (const unsigned char *)p;
	uint32_t code;
	size_t i;

	if (n == 1)
		return u[0];
	code = u[0] & (0xffU >> (n + 1));
	for (i = 1; i < n; i++)
		code = code << 6 | (u[i] & 0x3fU);
	return code;
}

/* C0, DEL, C1; line and paragraph separators; marks of direction. */
static bool
mpush_show_is_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	return code != 0x061c && code != 0x200e && code != 0x200f &&
	       !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2066 && code <= 0x2069) && code != 0xfeff;
}

static void
mpush_show_escaped(FILE *fp, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		fprintf(fp, "\\x%02x", (unsigned char)p[i]);
}

void
mpush_show_text(FILE *fp, const char *text, size_t len, const char *indent)
{
	size_t i, n;

	for (i = 0; i < len; i += n == 0 ? 1 : n) {
		n = mpush_show_char_len(text + i, len - i);
		if (text[i] == '\n' && indent != NULL)
			fprintf(fp, "\n%s", indent);
		else if (text[i] == '\t' ||
			 (n > 0 && mpush_show_is_harmless(
				       mpush_show_code(text + i, n))))
			fwrite(text + i, 1, n, fp);
		else
			mpush_show_escaped(fp, text + i, n == 0 ? 1 : n);
	}
}

static void
mpush_show_field(FILE *fp, const char *name, const struct mpush_text *t)
{
	if (t->len == 0)
		return;
	fprintf(fp, MPUSH_SHOW_INDENT "%s: ", name);
	mpush_show_text(fp, t->text, t->len, NULL);
	putc('\n', fp);
}

static bool
mpush_show_has(const struct mpush_text *in, const struct mpush_text *what)
{
	return in->len > 0 && what->len > 0 &&
	       memmem(in->text, in->len, what->text, what->len) != NULL;
}

void
mpush_show_message(FILE *fp, const struct mpush_message *m)
{
	time_t when = (time_t)(m->mid / 1000);
	char stamp[32] = "";
	struct tm tm;

	if (localtime_r(&when, &tm) != NULL)
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(fp, "%s  ", stamp);
	mpush_show_text(fp, m->title.text, m->title.len, NULL);
	putc('\n', fp);
	if (m->content.len > 0) {
		fputs(MPUSH_SHOW_INDENT, fp);
		mpush_show_text(fp, m->content.text, m->content.len,
		    MPUSH_SHOW_INDENT);
		putc('\n', fp);
	}
	if (m->priority != 0)
		fprintf(fp, MPUSH_SHOW_INDENT "priority: %d\n", m->priority);
	mpush_show_field(fp, "tags", &m->tags);
	if (!mpush_show_has(&m->content, &m->url))
		mpush_show_field(fp, "url", &m->url);
}
