/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "urlenc.h"

#include <stdlib.h>
#include <string.h>

#include "fields.h"

#define URLENC_NAME_MAX (3 * 7) /* "content", every byte encoded */

int
urlenc_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

size_t
urlenc_decode(char *dst, const char *src, size_t len, bool plus)
{
	size_t i, n = 0;
	int hi, lo;
	char c;

	for (i = 0; i < len; i++) {
		c = src[i];
		if (c == '+' && plus) {
			c = ' ';
		} else if (c == '%' && len - i > 2) {
			hi = urlenc_hex(src[i + 1]);
			lo = urlenc_hex(src[i + 2]);
			if (hi >= 0 && lo >= 0) {
				c = (char)(hi << 4 | lo);
				i += 2;
			}
		}
		dst[n++] = c;
	}
	return n;
}

/* The field that an encoded name means. */
static struct field *
urlenc_find_field(struct fields *fs, const char *name, size_t len)
{
	char plain[URLENC_NAME_MAX];

	if (len > sizeof(plain))
		return NULL;
	len = urlenc_decode(plain, name, len, true);
	return fields_find(fs, plain, len);
}

static int
urlenc_parse_pair(const char *pair, size_t len, struct fields *fs)
{
	const char *eq = memchr(pair, '=', len);
	size_t name_len = eq != NULL ? (size_t)(eq - pair) : len;
	size_t value_len = eq != NULL ? len - name_len - 1 : 0;
	struct field *f;
	char *value;

	f = urlenc_find_field(fs, pair, name_len);
	if (f == NULL)
		return 0;
	value = malloc(value_len + 1);
	if (value == NULL)
		return -1;
	if (value_len > 0)
		value_len = urlenc_decode(value, eq + 1, value_len, true);
	return fields_take(f, value, value_len);
}

int
urlenc_parse(const char *text, size_t len, struct fields *fs)
{
	const char *amp;
	size_t n;

	while (len > 0) {
		amp = memchr(text, '&', len);
		n = amp != NULL ? (size_t)(amp - text) : len;
		if (urlenc_parse_pair(text, n, fs) == -1)
			return -1;
		if (amp != NULL)
			n++;
		text += n;
		len -= n;
	}
	return 0;
}
