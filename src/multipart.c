/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "multipart.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "fields.h"

/* A stretch of text: header value, part or what is still to be read. */
struct multipart_span {
	const char *at, *end;
};

/* "--" and the boundary. */
struct multipart_mark {
	char text[2 + MULTIPART_BOUNDARY_MAX];
	size_t len;
};

enum multipart_kind {
	MULTIPART_NONE,
	MULTIPART_OPEN,
	MULTIPART_CLOSE,
};

/* Where a delimiter line was found. */
struct multipart_delimiter {
	enum multipart_kind kind;
	const char *line, *next;
};

/* A part's header, as far as it matters. */
struct multipart_header {
	struct field *field; /* NULL: a part to pass over */
	bool encoded;
};

/* Line ends count: a folded header is one value (RFC 5322 2.2.3). */
static bool
multipart_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
multipart_skip_space(struct multipart_span *s)
{
	while (s->at < s->end && multipart_is_space(*s->at))
		s->at++;
}

/* True when the span begins with WORD in any case. */
static bool
multipart_has_word(const struct multipart_span *s, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(s->end - s->at) >= len &&
	       strncasecmp(s->at, word, len) == 0;
}

/* Step over a token; returns its length. */
static size_t
multipart_skip_token(struct multipart_span *s)
{
	const char *start = s->at;

	while (s->at < s->end && *s->at != '=' && *s->at != ';' &&
	       !multipart_is_space(*s->at))
		s->at++;
	return (size_t)(s->at - start);
}

/*
 * Read a parameter's value, quoted or not, to OUT as far as it has room.
 * Returns the length of the whole.
 */
static size_t
multipart_read_value(struct multipart_span *s, char *out, size_t room)
{
	bool quoted = s->at < s->end && *s->at == '"';
	size_t n = 0;

	for (s->at += quoted; s->at < s->end; s->at++) {
		if (quoted ? *s->at == '"' :
			     *s->at == ';' || multipart_is_space(*s->at))
			break;
		/* Some agents leave the backslashes of a file name alone. */
		if (quoted && *s->at == '\\' && s->end - s->at > 1 &&
		    (s->at[1] == '"' || s->at[1] == '\\'))
			s->at++;
		if (n < room)
			out[n] = *s->at;
		n++;
	}
	s->at += quoted && s->at < s->end;
	return n;
}

/*
 * Find a parameter of a header value, the first of that name.  Returns its
 * length, which OUT (ROOM bytes) may be too short for; 0: absent or empty.
 */
static size_t
multipart_find_param(struct multipart_span s, const char *name, char *out,
    size_t room)
{
	const char *word;
	size_t word_len, value_len;

	s.at = memchr(s.at, ';', (size_t)(s.end - s.at));
	if (s.at == NULL)
		return 0;
	while (s.at < s.end) {
		s.at += *s.at == ';';
		multipart_skip_space(&s);
		word = s.at;
		word_len = multipart_skip_token(&s);
		multipart_skip_space(&s);
		if (s.at == s.end || *s.at != '=')
			continue;
		s.at++;
		multipart_skip_space(&s);
		value_len = multipart_read_value(&s, out, room);
		if (word_len == strlen(name) &&
		    strncasecmp(word, name, word_len) == 0)
			return value_len;
	}
	return 0;
}

/* What kind of delimiter the line at S is; *NEXT is then the line after it. */
static enum multipart_kind
multipart_match(const struct multipart_mark *mark, struct multipart_span s,
    const char **next)
{
	bool closing;

	if ((size_t)(s.end - s.at) < mark->len ||
	    memcmp(s.at, mark->text, mark->len) != 0)
		return MULTIPART_NONE;
	s.at += mark->len;
	closing = multipart_has_word(&s, "--");
	if (closing)
		s.at += 2;
	while (s.at < s.end && (*s.at == ' ' || *s.at == '\t'))
		s.at++;
	if (s.at < s.end && *s.at == '\r')
		s.at++;
	if (s.at < s.end && *s.at == '\n')
		*next = s.at + 1;
	else if (s.at == s.end && closing)
		*next = s.at;
	else
		return MULTIPART_NONE;
	return closing ? MULTIPART_CLOSE : MULTIPART_OPEN;
}

/* The next delimiter at the beginning of a line of S. */
static struct multipart_delimiter
multipart_find_delimiter(const struct multipart_mark *mark,
    struct multipart_span s)
{
	struct multipart_delimiter d = { MULTIPART_NONE, s.at, s.end };

	for (;;) {
		d.kind = multipart_match(mark, s, &d.next);
		if (d.kind != MULTIPART_NONE)
			break;
		s.at = memchr(s.at, '\n', (size_t)(s.end - s.at));
		if (s.at == NULL)
			break;
		s.at++;
		d.line = s.at;
	}
	return d;
}

/* Take a line off S, without its end; false when there is none. */
static bool
multipart_take_line(struct multipart_span *s, struct multipart_span *line)
{
	const char *eol = memchr(s->at, '\n', (size_t)(s->end - s->at));

	if (eol == NULL)
		return false;
	line->at = s->at;
	line->end = eol > s->at && eol[-1] == '\r' ? eol - 1 : eol;
	s->at = eol + 1;
	return true;
}

/*
 * Take a header with its folded lines off S.  Returns 1; 0 at the empty line
 * after the last one; -1 when S ends before that.
 */
static int
multipart_take_header(struct multipart_span *s, struct multipart_span *header)
{
	struct multipart_span more;

	if (!multipart_take_line(s, header))
		return -1;
	if (header->at == header->end)
		return 0;
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t')) {
		if (!multipart_take_line(s, &more))
			return -1;
		header->end = more.end;
	}
	return 1;
}

/* If HEADER is called NAME, leave its value in it. */
static bool
multipart_header_is(struct multipart_span *header, const char *name)
{
	struct multipart_span s = *header;

	if (!multipart_has_word(&s, name))
		return false;
	s.at += strlen(name);
	multipart_skip_space(&s);
	if (s.at == s.end || *s.at != ':')
		return false;
	s.at++;
	multipart_skip_space(&s);
	*header = s;
	return true;
}

static void
multipart_read_header(struct multipart_span header, struct fields *fs,
    struct multipart_header *h)
{
	char name[MULTIPART_BOUNDARY_MAX];
	size_t len;

	if (multipart_header_is(&header, "Content-Disposition") &&
	    multipart_has_word(&header, "form-data")) {
		len = multipart_find_param(header, "name", name, sizeof(name));
		if (len <= sizeof(name))
			h->field = fields_find(fs, name, len);
	} else if (multipart_header_is(&header, "Content-Transfer-Encoding")) {
		h->encoded = multipart_has_word(&header, "base64") ||
			     multipart_has_word(&header, "quoted-printable");
	}
}

/* Read one part; the line end before the delimiter is not the part's. */
static int
multipart_read_part(struct multipart_span part, struct fields *fs)
{
	struct multipart_header h = { NULL, false };
	struct multipart_span header;
	int r;

	while ((r = multipart_take_header(&part, &header)) == 1)
		multipart_read_header(header, fs, &h);
	if (r == -1 || (h.field != NULL && h.encoded)) {
		errno = EBADMSG;
		return -1;
	}
	if (h.field == NULL)
		return 0;
	if (part.end > part.at && part.end[-1] == '\n')
		part.end--;
	if (part.end > part.at && part.end[-1] == '\r')
		part.end--;
	return fields_set(h.field, part.at, (size_t)(part.end - part.at));
}

static bool
multipart_make_mark(const char *content_type, struct multipart_mark *mark)
{
	struct multipart_span type = { content_type, NULL };
	size_t len;

	type.end = content_type + strlen(content_type);
	memcpy(mark->text, "--", 2);
	len = multipart_find_param(type, "boundary", mark->text + 2,
	    MULTIPART_BOUNDARY_MAX);
	mark->len = len + 2;
	return len > 0 && len <= MULTIPART_BOUNDARY_MAX;
}

int
multipart_parse(const char *content_type, const char *body, size_t len,
    struct fields *fs)
{
	struct multipart_span rest = { body, body + len }, part;
	struct multipart_delimiter d = { MULTIPART_NONE, NULL, NULL };
	struct multipart_mark mark;

	if (multipart_make_mark(content_type, &mark))
		d = multipart_find_delimiter(&mark, rest);
	while (d.kind == MULTIPART_OPEN) {
		rest.at = part.at = d.next;
		d = multipart_find_delimiter(&mark, rest);
		part.end = d.line;
		if (d.kind != MULTIPART_NONE &&
		    multipart_read_part(part, fs) == -1)
			return -1;
	}
	if (d.kind == MULTIPART_CLOSE)
		return 0;
	errno = EBADMSG;
	return -1;
}
