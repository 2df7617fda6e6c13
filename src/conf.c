/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "conf_fault.h"
#include "conf_key.h"
#include "conf_token.h"
#include "conf_value.h"
#include "jsontext.h"
#include "watch.h"

#define CONF_BOM      "\xef\xbb\xbf"
#define CONF_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* One configuration in the making. */
struct conf_parse {
	struct conf *conf;
	const struct conf_source *src;
	struct conf_faults faults;
	char *buffer; /* what the file holds */
	size_t size, used;
	bool incomplete; /* what the file says is not known */
	/* Where each key was set last; key NULL: nowhere. */
	struct conf_place set[CONF_KEY_COUNT];
};

/*
 * jansson's words for a syntax error and ours.  Its own are never shown as a
 * whole: they quote the text around the fault, which may be a token.
 */
static const struct {
	const char *theirs, *ours;
} conf_syntax[] = {
	{ "string or '}' expected", "a key in double quotes is expected (or is "
				    "there a comma too many?)" },
	{ "':' expected", "a colon is expected after the key" },
	{ "'}' expected", "a comma or } is expected" },
	{ "']' expected", "a comma or ] is expected" },
	{ "'[' or '{' expected", "must be one JSON object, in { and }" },
	{ "end of file expected", "nothing can follow the closing }" },
	{ "unexpected token",
	    "a value is expected (or is there a comma too many?)" },
	{ "invalid token", "not valid JSON (is a string without its quotes?)" },
	{ "unexpected newline", "a string is not closed on its line" },
	{ "control character",
	    "a control character in a string must be written as \\u00XX" },
	{ "invalid escape", "a backslash in a string must be written as \\\\" },
	{ "invalid Unicode", "an escape that is no Unicode character" },
	{ "\\u0000", "a string cannot have \\u0000 in it" },
	{ "unable to decode byte", "the text is not valid UTF-8" },
	{ "too big", "a number is out of range" },
	{ "real number overflow", "a number is out of range" },
	{ "maximum parsing depth", "the text is nested too deep" },
};

static bool
conf_begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void
conf_report_duplicate(struct conf_parse *p, const json_error_t *error)
{
	char near[64];
	size_t i;

	for (i = 0; i < CONF_KEY_COUNT; i++) {
		snprintf(near, sizeof(near), " near '\"%s\"'",
		    conf_keys[i].name);
		if (strstr(error->text, near) != NULL) {
			conf_fault_at_line(&p->faults, error->line,
			    "%s: is set a second time", conf_keys[i].name);
			return;
		}
	}
	conf_fault_at_line(&p->faults, error->line,
	    "the same key is here a second time");
}

static const char *
conf_syntax_words(const char *theirs)
{
	size_t i;

	for (i = 0; i < CONF_COUNT(conf_syntax); i++) {
		if (conf_begins_with(theirs, conf_syntax[i].theirs))
			return conf_syntax[i].ours;
	}
	return "not valid JSON";
}

static void
conf_report_syntax(struct conf_parse *p, const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_duplicate_key:
		conf_report_duplicate(p, error);
		break;
	case json_error_out_of_memory:
		conf_fault_at_line(&p->faults, 1, "out of memory");
		break;
	case json_error_premature_end_of_input:
		conf_fault_at_line(&p->faults, error->line,
		    "the text ends too early: a \", ] or } is missing");
		break;
	default:
		conf_fault_at_line(&p->faults, error->line, "%s",
		    conf_syntax_words(error->text));
		break;
	}
}

/*
 * The row of a key.  Also remembers where it is set; NULL when there is no
 * such key, which is reported.
 */
static const struct conf_key *
conf_place_key(struct conf_parse *p, struct conf_place *at)
{
	const struct conf_key *key = conf_key_find(at->key), *guess;
	char quote[CONF_QUOTE_MAX + 4];
	const char *given = at->key;

	if (key != NULL) {
		at->key = key->name;
		p->set[key - conf_keys] = *at;
		return key;
	}
	guess = conf_key_guess(given);
	at->key = conf_fault_quote(quote, given, strlen(given));
	if (guess != NULL)
		conf_fault_at_key(at,
		    "unknown key \"%s\", did you mean \"%s\"?", at->key,
		    guess->name);
	else
		conf_fault_at_key(at, "unknown key \"%s\"", at->key);
	return NULL;
}

static void
conf_parse_members(struct conf_parse *p, json_t *root)
{
	struct conf_place at = { &p->faults, NULL, 0 };
	const struct conf_key *key;
	const char *name;
	json_t *value;

	/* jansson keeps the members in the order of the text. */
	json_object_foreach (root, name, value) {
		at.key = name;
		key = conf_place_key(p, &at);
		if (key != NULL &&
		    !(p->src->elsewhere && key->type == CONF_USER))
			conf_value_set(p->conf, key, value, &at);
		at.member++;
	}
}

static int
conf_first_line(const char *text)
{
	int line = 1;

	for (; *text != '\0' && strchr(" \t\r\n", *text) != NULL; text++)
		line += *text == '\n';
	return line;
}

/* Read the text in the buffer. */
static void
conf_parse_object(struct conf_parse *p)
{
	struct conf_faults *f = &p->faults;
	char *text = p->buffer;
	size_t len = p->used;
	json_error_t error;
	json_t *root;

	text[len] = '\0';
	if (conf_begins_with(text, CONF_BOM)) {
		text += strlen(CONF_BOM);
		len -= strlen(CONF_BOM);
	}
	jsontext_blank_comments(text, len);
	f->text = text;
	f->len = len;
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	p->incomplete = !json_is_object(root);
	if (root == NULL)
		conf_report_syntax(p, &error);
	else if (!json_is_object(root))
		conf_fault_at_line(f, conf_first_line(text),
		    "must be one JSON object, in { and }");
	else
		conf_parse_members(p, root);
	json_decref(root);
}

/*
 * The value of an option: JSON, or the text itself, which it also is when
 * the key takes no number or bool.  NULL when it is not UTF-8.
 */
static json_t *
conf_setting_value(const struct conf_key *key, const char *text)
{
	bool textual = key->type <= CONF_IDS || conf_key_is_text(key);
	json_t *value;

	value = json_loads(text, JSON_DECODE_ANY, NULL);
	if (value != NULL && textual &&
	    (json_is_number(value) || json_is_boolean(value))) {
		json_decref(value);
		value = NULL;
	}
	return value != NULL ? value : json_string(text);
}

static void
conf_parse_setting(struct conf_parse *p, const char *name, const char *text)
{
	struct conf_place at = { &p->faults, name, -1 };
	const struct conf_key *key = conf_place_key(p, &at);
	json_t *value;

	if (key == NULL)
		return;
	value = conf_setting_value(key, text);
	if (value == NULL)
		conf_fault_at(&at, -1, "must be valid UTF-8");
	else
		conf_value_set(p->conf, key, value, &at);
	json_decref(value);
}

static void
conf_parse_option(struct conf_parse *p, const char *setting)
{
	const char *equals = strchr(setting, '=');
	struct conf_place at = { &p->faults, NULL, -1 };
	char *name;
	size_t len;

	/* Without a '=' what follows the key may be a token. */
	len = equals != NULL ? (size_t)(equals - setting) :
			       strspn(setting, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
	name = strndup(setting, len);
	if (name == NULL) {
		at.key = "KEY";
		conf_fault_at_key(&at, "out of memory");
		return;
	}
	at.key = len > 0 ? name : "KEY";
	if (equals == NULL || len == 0)
		conf_fault_at_key(&at, "must be KEY=VALUE");
	else
		conf_parse_setting(p, name, equals + 1);
	free(name);
}

static void
conf_parse_check_state_dir(struct conf_parse *p)
{
	const struct conf_key *key = conf_key_find("STATE_DIR");
	char *fault = NULL;

	p->src->check_state_dir(p->conf->state_dir, &fault);
	if (fault != NULL)
		conf_fault_at(&p->set[key - conf_keys], -1, "%s", fault);
	free(fault);
}

/* The tokens in the file of TOKEN_FILE; one of both keys is needed. */
static void
conf_parse_tokens(struct conf_parse *p)
{
	const struct conf_key *file = conf_key_find("TOKEN_FILE");
	struct conf_place token = { &p->faults, "TOKEN", -1 };

	if (p->conf->token_file != NULL)
		conf_token_read(p->conf, &p->set[file - conf_keys]);
	else if (p->set[conf_key_find("TOKEN") - conf_keys].key != NULL)
		return;
	else if (p->src->file != NULL)
		conf_fault_at_line(&p->faults, 1,
		    "TOKEN or TOKEN_FILE is required");
	else
		conf_fault_at(&token, -1, "is required, or TOKEN_FILE");
}

/* A place for what is told of the devices in METRICS_DEVICES. */
static void
conf_parse_watch(struct conf_parse *p)
{
	const struct conf_key *key = conf_key_find("METRICS_DEVICES");
	size_t count = p->conf->metrics_devices.count;

	if (count > CONF_WATCHED_MAX)
		conf_fault_at(&p->set[key - conf_keys], -1,
		    "%zu devices are more than %d", count, CONF_WATCHED_MAX);
	else if (count > 0)
		p->conf->watch = watch_new(&p->conf->metrics_devices);
	if (count > 0 && count <= CONF_WATCHED_MAX && p->conf->watch == NULL)
		conf_fault_at(&p->set[key - conf_keys], -1, "out of memory");
}

/* What no key by itself can tell. */
static void
conf_parse_check_whole(struct conf_parse *p)
{
	const struct conf_key *ids = conf_key_find("REGISTERS");
	const struct conf *c = p->conf;

	if (!p->src->elsewhere)
		conf_parse_tokens(p);
	if (c->registers.count > (size_t)c->max_devices)
		conf_fault_at(&p->set[ids - conf_keys], -1,
		    "%zu devices are more than MAX_DEVICES, %lld",
		    c->registers.count, (long long)c->max_devices);
	conf_parse_watch(p);
	if (p->faults.count == 0 && c->state_dir != NULL &&
	    p->src->check_state_dir != NULL)
		conf_parse_check_state_dir(p);
}

/* Returns 0, or -1 when memory is short, which is reported. */
static int
conf_parse_begin(struct conf_parse *p, const struct conf_source *src,
    size_t size, FILE *out)
{
	memset(p, 0, sizeof(*p));
	p->src = src;
	p->size = size;
	p->faults.out = out;
	p->faults.file = src->file;
	p->buffer = malloc(size);
	p->conf = calloc(1, sizeof(*p->conf));
	if (p->conf != NULL) {
		atomic_init(&p->conf->refs, 1);
		if (p->buffer != NULL && conf_value_set_defaults(p->conf) == 0)
			return 0;
	}
	fprintf(out, "%s:1: out of memory\n", src->file ? src->file : "-o");
	conf_unref(&p->conf);
	free(p->buffer);
	return -1;
}

/* The snapshot, or NULL when there was a fault. */
static struct conf *
conf_parse_end(struct conf_parse *p)
{
	size_t i;

	for (i = 0; i < p->src->setting_count; i++)
		conf_parse_option(p, p->src->settings[i]);
	if (!p->incomplete)
		conf_parse_check_whole(p);
	if (p->faults.count > 0)
		conf_unref(&p->conf);
	explicit_bzero(p->buffer, p->used);
	free(p->buffer);
	return p->conf;
}

struct conf *
conf_parse_text(const struct conf_source *src, const char *text, size_t len,
    FILE *out)
{
	struct conf_parse p;

	CHECK(src->file != NULL && len <= CONF_FILE_MAX);
	if (conf_parse_begin(&p, src, len + 1, out) == -1)
		return NULL;
	memcpy(p.buffer, text, len);
	p.used = len;
	conf_parse_object(&p);
	return conf_parse_end(&p);
}

/* Fill the buffer from the file.  Returns 0, or an error number. */
static int
conf_read_file(struct conf_parse *p)
{
	int fd = open(p->src->file, O_RDONLY | O_CLOEXEC), error = 0;
	ssize_t n = 1;

	if (fd == -1)
		return errno;
	while (p->used < p->size && n != 0 && error == 0) {
		n = read(fd, p->buffer + p->used, p->size - p->used);
		if (n > 0)
			p->used += (size_t)n;
		else if (n == -1 && errno != EINTR)
			error = errno;
	}
	close(fd);
	return error;
}

static void
conf_parse_file(struct conf_parse *p)
{
	int error = conf_read_file(p);

	if (error == 0 && p->used <= CONF_FILE_MAX) {
		conf_parse_object(p);
		return;
	}
	if (error == ENOENT && p->src->optional)
		return;
	p->incomplete = true;
	if (error != 0)
		conf_fault_at_line(&p->faults, 1, "cannot read: %s",
		    strerror(error));
	else
		conf_fault_at_line(&p->faults, 1, "is larger than %d bytes",
		    CONF_FILE_MAX);
}

struct conf *
conf_load(const struct conf_source *src, FILE *out)
{
	struct conf_parse p;

	/* One byte more tells whether the file is too large. */
	if (conf_parse_begin(&p, src, CONF_FILE_MAX + 1, out) == -1)
		return NULL;
	if (src->file != NULL)
		conf_parse_file(&p);
	return conf_parse_end(&p);
}

struct conf *
conf_ref(struct conf *c)
{
	unsigned int before;

	before = atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	CHECK(before > 0 && before < UINT_MAX);
	return c;
}

void
conf_unref(struct conf **cp)
{
	struct conf *c = *cp;
	unsigned int before;
	size_t i;

	*cp = NULL;
	if (c == NULL)
		return;
	before = atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel);
	CHECK(before > 0);
	if (before > 1)
		return;
	for (i = 0; i < CONF_KEY_COUNT; i++)
		conf_value_free(c, &conf_keys[i]);
	watch_free(&c->watch);
	free(c);
}

/* The volatile keeps the compiler from an early exit. */
static bool
conf_same_bytes(const char *a, const char *b, size_t len)
{
	volatile unsigned char differ = 0;
	size_t i;

	for (i = 0; i < len; i++)
		differ = (unsigned char)(differ | (a[i] ^ b[i]));
	return differ == 0;
}

bool
conf_token_valid(const struct conf *c, const char *token, size_t len)
{
	bool valid = false;
	size_t i;

	for (i = 0; i < c->token.count; i++) {
		if (strlen(c->token.item[i]) == len)
			valid |= conf_same_bytes(c->token.item[i], token, len);
	}
	return valid;
}

const char *
conf_needs_restart(const struct conf *a, const struct conf *b)
{
	size_t i;

	for (i = 0; i < CONF_KEY_COUNT; i++) {
		if (!conf_keys[i].reloadable &&
		    !conf_key_equal(&conf_keys[i], a, b))
			return conf_keys[i].name;
	}
	return NULL;
}
