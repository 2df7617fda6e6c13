/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"

#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define SETTINGS_MAX 8

static char *report; /* of the last load */

/* SETTINGS ends with NULL, or is NULL. */
static struct conf *
load(const char *text, const char *const *settings)
{
	struct conf_source src = { .file = "f" };
	char *copy[SETTINGS_MAX];
	struct conf *c;
	size_t len;
	FILE *out;

	for (; settings != NULL && settings[src.setting_count] != NULL;) {
		copy[src.setting_count] = strdup(settings[src.setting_count]);
		src.setting_count++;
	}
	src.settings = copy;
	free(report);
	out = open_memstream(&report, &len);
	if (text != NULL) {
		c = conf_parse_text(&src, text, strlen(text), out);
	} else {
		src.file = NULL;
		c = conf_load(&src, out);
	}
	fclose(out);
	while (src.setting_count > 0)
		free(copy[--src.setting_count]);
	assert_int_equal(c == NULL, report[0] != '\0');
	return c;
}

static void
check_fault(const char *text, const char *want)
{
	assert_null(load(text, NULL));
	assert_string_equal(report, want);
}

static struct conf *
load_good(const char *text)
{
	struct conf *c = load(text, NULL);

	if (c == NULL)
		fail_msg("%s: %s", text, report);
	return c;
}

/* A text with one more key next to the token. */
static struct conf *
load_member(const char *member)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"TOKEN\":\"t\",\n%s}", member);
	return load(text, NULL);
}

static void
test_defaults(void **state)
{
	struct conf *c = load_good("{\"TOKEN\": \"t\"}");
	cpu_set_t set;

	(void)state;
	assert_int_equal(c->token.count, 1);
	assert_string_equal(c->token.item[0], "t");
	assert_int_equal(c->ws_port, 2245);
	assert_int_equal(c->http_port, 2246);
	assert_false(c->debug);
	assert_int_equal(c->registers.count, 0);
	assert_int_equal(c->listen.count, 2);
	assert_string_equal(c->listen.item[0], "127.0.0.1");
	assert_string_equal(c->listen.item[1], "::1");
	assert_true(c->listen_is_default);
	assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
	assert_int_equal(c->workers, CPU_COUNT(&set));
	assert_int_equal(c->auth_timeout, 30000);
	assert_int_equal(c->login_timeout, 30000);
	assert_int_equal(c->ack_timeout, 3000);
	assert_int_equal(c->resend_interval, 2000);
	assert_int_equal(c->max_message, 65536);
	assert_int_equal(c->max_queue, 10000);
	assert_int_equal(c->max_devices, 1000000);
	assert_int_equal(c->max_connections, 0);
	assert_null(c->state_dir);
	assert_string_equal(c->pidfile, "/run/mpushd.pid");
	conf_unref(&c);
	assert_null(c);
}

static void
test_every_key(void **state)
{
	struct conf *c = load_good(
	    "{\"TOKEN\":[\"a\",\"b\"],\"WS_PORT\":1,\"HTTP_PORT\":2,"
	    "\"DEBUG\":true,\"REGISTERS\":[\"x\",\"y\"],\"LISTEN\":\"*\","
	    "\"WORKERS\":3,\"AUTH_TIMEOUT\":4,\"LOGIN_TIMEOUT\":5.5,"
	    "\"ACK_TIMEOUT\":0.0124,\"RESEND_INTERVAL\":1e1,"
	    "\"MAX_MESSAGE\":7,\"MAX_QUEUE\":8,\"MAX_DEVICES\":9,"
	    "\"MAX_CONNECTIONS\":10,\"STATE_DIR\":\"/s\",\"PIDFILE\":\"/p\"}");

	(void)state;
	assert_int_equal(c->token.count, 2);
	assert_string_equal(c->token.item[1], "b");
	assert_int_equal(c->ws_port, 1);
	assert_int_equal(c->http_port, 2);
	assert_true(c->debug);
	assert_int_equal(c->registers.count, 2);
	assert_string_equal(c->registers.item[0], "x");
	assert_int_equal(c->listen.count, 1);
	assert_string_equal(c->listen.item[0], "*");
	assert_false(c->listen_is_default);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->auth_timeout, 4000);
	assert_int_equal(c->login_timeout, 5500);
	assert_int_equal(c->ack_timeout, 12);
	assert_int_equal(c->resend_interval, 10000);
	assert_int_equal(c->max_message, 7);
	assert_int_equal(c->max_queue, 8);
	assert_int_equal(c->max_devices, 9);
	assert_int_equal(c->max_connections, 10);
	assert_string_equal(c->state_dir, "/s");
	assert_string_equal(c->pidfile, "/p");
	conf_unref(&c);
}

static void
test_good_values(void **state)
{
	static const char *const members[] = {
		"\"WS_PORT\": 0",
		"\"WS_PORT\": 65535",
		"\"HTTP_PORT\": 0",
		"\"HTTP_PORT\": 65535",
		"\"DEBUG\": false",
		"\"REGISTERS\": []",
		"\"WORKERS\": 1",
		"\"WORKERS\": 256",
		"\"AUTH_TIMEOUT\": 0.01",
		"\"AUTH_TIMEOUT\": 86400",
		"\"LOGIN_TIMEOUT\": 0.01",
		"\"LOGIN_TIMEOUT\": 86400.0",
		"\"ACK_TIMEOUT\": 0.01",
		"\"ACK_TIMEOUT\": 86400",
		"\"RESEND_INTERVAL\": 0.01",
		"\"RESEND_INTERVAL\": 86400",
		"\"MAX_MESSAGE\": 1",
		"\"MAX_MESSAGE\": 16777216",
		"\"MAX_QUEUE\": 1",
		"\"MAX_QUEUE\": 10000000",
		"\"MAX_DEVICES\": 1",
		"\"MAX_DEVICES\": 100000000",
		"\"MAX_CONNECTIONS\": 1",
		"\"MAX_CONNECTIONS\": 10000000",
		"\"STATE_DIR\": null",
		"\"STATE_DIR\": \"/var/lib/x\"",
		"\"LISTEN\": \"::\"",
		"\"LISTEN\": \"[::1]\"",
		"\"LISTEN\": [\"0.0.0.0\", \"unix:/run/x\", \"*\"]",
	};
	struct conf *c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(members); i++) {
		c = load_member(members[i]);
		if (c == NULL)
			fail_msg("%s: %s", members[i], report);
		conf_unref(&c);
	}
}

#define RANGE(key, noun, min, max)                                             \
	"f:2: " key ": must be a " noun " from " min " to " max ", not "
#define PORT(key)     RANGE(key, "port number", "0", "65535")
#define SECONDS(key)  RANGE(key, "number of seconds", "0.01", "86400")
#define INT(key, max) RANGE(key, "whole number", "1", max)
#define ADDRESS       "must be an IPv4 or IPv6 address, \"*\" or unix:/path\n"

static void
test_bad_values(void **state)
{
	static const char *const rows[][2] = {
		{ "\"WS_PORT\": -1", PORT("WS_PORT") "-1\n" },
		{ "\"WS_PORT\": 70000", PORT("WS_PORT") "70000\n" },
		{ "\"WS_PORT\": 5.0", PORT("WS_PORT") "5.0\n" },
		{ "\"WS_PORT\": \"22\"", PORT("WS_PORT") "a string\n" },
		{ "\"HTTP_PORT\": 65536", PORT("HTTP_PORT") "65536\n" },
		{ "\"HTTP_PORT\": null", PORT("HTTP_PORT") "null\n" },
		{ "\"DEBUG\": 1",
		    "f:2: DEBUG: must be true or false, not 1\n" },
		{ "\"WORKERS\": 0", INT("WORKERS", "256") "0\n" },
		{ "\"WORKERS\": 257", INT("WORKERS", "256") "257\n" },
		{ "\"WORKERS\": {}", INT("WORKERS", "256") "an object\n" },
		{ "\"AUTH_TIMEOUT\": 0.009",
		    SECONDS("AUTH_TIMEOUT") "0.009\n" },
		{ "\"AUTH_TIMEOUT\": true", SECONDS("AUTH_TIMEOUT") "true\n" },
		{ "\"LOGIN_TIMEOUT\": 86400.1",
		    SECONDS("LOGIN_TIMEOUT") "86400.1\n" },
		{ "\"ACK_TIMEOUT\": 0", SECONDS("ACK_TIMEOUT") "0\n" },
		{ "\"RESEND_INTERVAL\": []",
		    SECONDS("RESEND_INTERVAL") "a list\n" },
		{ "\"MAX_MESSAGE\": 16777217",
		    RANGE("MAX_MESSAGE", "whole number of bytes", "1",
			"16777216") "16777217\n" },
		{ "\"MAX_QUEUE\": 0", INT("MAX_QUEUE", "10000000") "0\n" },
		{ "\"MAX_QUEUE\": 10000001",
		    INT("MAX_QUEUE", "10000000") "10000001\n" },
		{ "\"MAX_DEVICES\": 0", INT("MAX_DEVICES", "100000000") "0\n" },
		{ "\"MAX_CONNECTIONS\": 0",
		    INT("MAX_CONNECTIONS", "10000000") "0\n" },
		{ "\"STATE_DIR\": 5", "f:2: STATE_DIR: must be an absolute "
				      "path or null, not 5\n" },
		{ "\"STATE_DIR\": \"x\"",
		    "f:2: STATE_DIR: must be an absolute path or null, "
		    "which begins with a /\n" },
		{ "\"USER\": 5", "f:2: USER: must be the name of a user or "
				 "null, not 5\n" },
		{ "\"USER\": \"no such\"",
		    "f:2: USER: \"no such\": there is no such user\n" },
		{ "\"PIDFILE\": null",
		    "f:2: PIDFILE: must be an absolute path, not null\n" },
		{ "\"TOKEN_FILE\": \"/a\\nb\"",
		    "f:2: TOKEN_FILE: a path cannot have control "
		    "characters\n" },
		{ "\"PIDFILE\": \"\"",
		    "f:2: PIDFILE: must be an absolute path, "
		    "which begins with a /\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_null(load_member(rows[i][0]));
		assert_string_equal(report, rows[i][1]);
	}
}

static void
test_bad_lists(void **state)
{
	static const char *const rows[][2] = {
		{ "\"REGISTERS\": \"a\"",
		    "f:2: REGISTERS: must be a list of strings, "
		    "not a string\n" },
		{ "\"REGISTERS\":\n[\"a\",\n1,\n\"-/a\"]",
		    "f:4: REGISTERS: must be a string, not 1\n"
		    "f:5: REGISTERS: \"-/a\": device ids that begin with -/ "
		    "are reserved\n" },
		{ "\"REGISTERS\": [\"\\n\"]",
		    "f:2: REGISTERS: \"?\": a device id cannot have control "
		    "characters\n" },
		{ "\"LISTEN\": []", "f:2: LISTEN: cannot be an empty list\n" },
		{ "\"LISTEN\": \"\"", "f:2: LISTEN: \"\": " ADDRESS },
		{ "\"LISTEN\": true",
		    "f:2: LISTEN: must be a string or a list of strings, "
		    "not true\n" },
		{ "\"LISTEN\": [\"*\",\n\"localhost\"]",
		    "f:3: LISTEN: \"localhost\": " ADDRESS },
		{ "\"LISTEN\": \"[127.0.0.1]\"",
		    "f:2: LISTEN: \"[127.0.0.1]\": " ADDRESS },
		{ "\"LISTEN\": \"[::1\"", "f:2: LISTEN: \"[::1\": " ADDRESS },
		{ "\"LISTEN\": \"[\"", "f:2: LISTEN: \"[\": " ADDRESS },
		{ "\"LISTEN\": \"1.2.3.4:80\"",
		    "f:2: LISTEN: \"1.2.3.4:80\": " ADDRESS },
		{ "\"LISTEN\": \"unix:x\"",
		    "f:2: LISTEN: \"unix:x\": the path after unix: must be "
		    "absolute\n" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		assert_null(load_member(rows[i][0]));
		assert_string_equal(report, rows[i][1]);
	}
}

static void
test_unix_length(void **state)
{
	char member[256];
	struct conf *c;

	(void)state;
	snprintf(member, sizeof(member), "\"LISTEN\": \"unix:/%0106d\"", 0);
	c = load_member(member);
	assert_non_null(c);
	conf_unref(&c);
	snprintf(member, sizeof(member), "\"LISTEN\": \"unix:/%0107d\"", 0);
	assert_null(load_member(member));
	assert_non_null(strstr(report, "...\": the path after unix: is longer "
				       "than 107 bytes\n"));
}

static void
test_token_faults(void **state)
{
	(void)state;
	check_fault("\n\n{}", "f:1: TOKEN or TOKEN_FILE is required\n");
	check_fault("{\n\"TOKEN\": \"\"}",
	    "f:2: TOKEN: a token cannot be empty\n");
	check_fault("{\"TOKEN\":\n[]}",
	    "f:1: TOKEN: cannot be an empty list\n");
	check_fault("{\"TOKEN\": [\n\"a\",\n\"\"]}",
	    "f:3: TOKEN: a token cannot be empty\n");
	check_fault("{\"TOKEN\": null}",
	    "f:1: TOKEN: must be a string or a list of strings, not null\n");
}

static void
test_token_length(void **state)
{
	char *text = malloc(CONF_TOKEN_MAX + 64);
	struct conf *c;

	(void)state;
	snprintf(text, CONF_TOKEN_MAX + 64, "{\"TOKEN\": \"%0*d\"}",
	    CONF_TOKEN_MAX, 0);
	c = load_good(text);
	assert_int_equal(strlen(c->token.item[0]), CONF_TOKEN_MAX);
	conf_unref(&c);
	snprintf(text, CONF_TOKEN_MAX + 64, "{\"TOKEN\": \"%0*d\"}",
	    CONF_TOKEN_MAX + 1, 0);
	check_fault(text,
	    "f:1: TOKEN: a token cannot be longer than 65536 bytes\n");
	free(text);
}

/* Whatever is wrong around it, 48879 or hunter2 is not shown. */
static void
test_token_secret(void **state)
{
	static const char *const texts[] = {
		"{\"TOKEN\": 48879}",
		"{\"TOKEN\": 48879.5}",
		"{\"TOKEN\": [48879]}",
		"{\"TOKEN\": {\"hunter2\": 48879}}",
		"{\"TOKEN\": hunter2}",
		"{\"TOKEN\": 'hunter2'}",
		"{\"TOKEN\" \"hunter2\"}",
		"{\"TOKEN\": \"hunter2}",
		"{\"TOKEN\": \"hunter2\n\"}",
		"{\"TOKEN\": \"hunter2\\x\"}",
		"{\"TOKEN\": \"hunter2\" \"hunter2\"}",
		"\"hunter2\"",
		"{\"TOKEN\": \"a\"} hunter2",
		"{\"TOKEN\": [\"hunter2\" 1]}",
		"{\"TOKEN\": \"\\ud800hunter2\"}",
		"{\"TOKEN\": 0hunter2}",
		"{\"TOKEN\": \"hunter2\\u0000\"}",
		"{\"TOKEN\":\"hunter2\xff\"}",
		"{\"TOKEN\": \"hunter2\x01\"}",
		"{\"TOKEN\": \"hunter2",
		"{\"TOKEN\": \"hunter2\", \"TOKEN\": \"hunter2\"}",
		"{\"TOKEN\": \"hunter2\", \"WORKERS\": 0}",
		"{\"PIDFILE\": \"hunter2\", \"WORKERS\": \"hunter2\"}",
	};
	const char *const settings[] = { "TOKEN=[48879]", "TOKEN hunter2",
		"TOKEN:hunter2", "hunter2", "TOKEN=[\"hunter2\",\"\"]", NULL };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(texts); i++) {
		assert_null(load(texts[i], settings));
		assert_null(strstr(report, "hunter2"));
		assert_null(strstr(report, "48879"));
	}
}

static void
test_syntax(void **state)
{
	(void)state;
	check_fault("{\n\"TOKEN\": \"a\"\n\"DEBUG\": true}",
	    "f:3: a comma or } is expected\n");
	check_fault("{\"TOKEN\":\n\"a\",}",
	    "f:2: a key in double quotes is expected (or is there a comma too "
	    "many?)\n");
	check_fault("{\"TOKEN\"\n\"a\"}",
	    "f:2: a colon is expected after the key\n");
	check_fault("{\"TOKEN\": [\"a\"\n\"b\"]}",
	    "f:2: a comma or ] is expected\n");
	check_fault("{\"TOKEN\": abc}",
	    "f:1: not valid JSON (is a string without its quotes?)\n");
	check_fault("{\"TOKEN\": \"a\"",
	    "f:1: the text ends too early: a \", ] "
	    "or } is missing\n");
	check_fault("{\"TOKEN\": \"a\"}\n}",
	    "f:2: nothing can follow the closing }\n");
	check_fault("\n5", "f:2: must be one JSON object, in { and }\n");
	check_fault("\n[5]", "f:2: must be one JSON object, in { and }\n");
	check_fault("{\"WORKERS\":\n99999999999999999999}",
	    "f:2: a number is out of range\n");
}

static void
test_duplicates(void **state)
{
	(void)state;
	check_fault("{\"TOKEN\": \"a\",\n\"TOKEN\": \"b\"}",
	    "f:2: TOKEN: is set a second time\n");
	check_fault("{\"x\": 1,\n\"x\": 2}",
	    "f:2: the same key is here a second time\n");
}

static void
test_unknown(void **state)
{
	(void)state;
	assert_null(
	    load_member("\"WSPORT\": 1, \"ws_port\": 2, \"DEBUGG\": 3"));
	assert_string_equal(report,
	    "f:2: unknown key \"WSPORT\", did you mean \"WS_PORT\"?\n"
	    "f:2: unknown key \"ws_port\", did you mean \"WS_PORT\"?\n"
	    "f:2: unknown key \"DEBUGG\", did you mean \"DEBUG\"?\n");
	assert_null(load_member("\"XDEBUGG\": 1, \"DEBUGGGG\": 2"));
	assert_string_equal(report,
	    "f:2: unknown key \"XDEBUGG\", did you mean \"DEBUG\"?\n"
	    "f:2: unknown key \"DEBUGGGG\"\n");
	assert_null(load_member("\"PORT\": 1,\n\"\": 2,\n\"a\\nb\": 3"));
	assert_string_equal(report, "f:2: unknown key \"PORT\"\n"
				    "f:3: unknown key \"\"\n"
				    "f:4: unknown key \"a?b\"\n");
}

static void
test_comments(void **state)
{
	struct conf *c;

	(void)state;
	c = load_good(
	    "\xef\xbb\xbf// \"\n{ # {\n\"TOKEN\": \"a//b#c\" // ,\n}#");
	assert_string_equal(c->token.item[0], "a//b#c");
	conf_unref(&c);
	check_fault("\xef\xbb\xbf# one\n// two\n{\"TOKEN\": \"t\", // \"\n\n"
		    "\"REGISTERS\": [ # [\n\"a\", // ]\n\n\"-/\" ],\n\"X\": 1}",
	    "f:8: REGISTERS: \"-/\": device ids that begin with -/ are "
	    "reserved\nf:9: unknown key \"X\"\n");
}

static void
test_several(void **state)
{
	const char *const settings[] = { "DEBUG=yes", "NONE=1", "WORKER=3",
		"=x", "WORKERS", NULL };

	(void)state;
	assert_null(
	    load("{\n\"WS_PORT\": 70000,\n\"DEBUG\": 0,\n\"X\": 0}", settings));
	assert_string_equal(report,
	    "f:2: WS_PORT: must be a port number from 0 to 65535, not 70000\n"
	    "f:3: DEBUG: must be true or false, not 0\n"
	    "f:4: unknown key \"X\"\n"
	    "-o DEBUG: must be true or false, not a string\n"
	    "-o NONE: unknown key \"NONE\"\n"
	    "-o WORKER: unknown key \"WORKER\", did you mean \"WORKERS\"?\n"
	    "-o KEY: must be KEY=VALUE\n"
	    "-o WORKERS: must be KEY=VALUE\n"
	    "f:1: TOKEN or TOKEN_FILE is required\n");
}

static void
test_fault_limit(void **state)
{
	size_t len, i, lines = 0;
	char *text;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	fputs("{\"TOKEN\": \"t\", \"REGISTERS\": [\"\"", out);
	for (i = 0; i < 2 * CONF_FAULTS_MAX; i++)
		fputs(",\n\"\"", out);
	fputs("]}", out);
	fclose(out);
	assert_null(load(text, NULL));
	for (i = 0; report[i] != '\0'; i++)
		lines += report[i] == '\n';
	assert_int_equal(lines, CONF_FAULTS_MAX + 1);
	assert_non_null(strstr(report, "f:100: REGISTERS: "));
	assert_non_null(strstr(report,
	    "\nf:1: more than 100 faults, the rest is not shown\n"));
	free(text);
}

static void
test_registers_limit(void **state)
{
	const char *const settings[] = { "TOKEN=t", "MAX_DEVICES=1",
		"REGISTERS=[\"a\",\"b\"]", NULL };
	struct conf *c =
	    load_member("\"MAX_DEVICES\": 2, \"REGISTERS\": [\"a\", \"b\"]");

	(void)state;
	assert_non_null(c);
	conf_unref(&c);
	assert_null(load_member("\"MAX_DEVICES\": 1,\n\"REGISTERS\": [\"a\",\n"
				"\"b\"]"));
	assert_string_equal(report,
	    "f:3: REGISTERS: 2 devices are more than MAX_DEVICES, 1\n");
	assert_null(load("{}", settings));
	assert_string_equal(report,
	    "-o REGISTERS: 2 devices are more than MAX_DEVICES, 1\n");
}

static void
test_settings(void **state)
{
	const char *const settings[] = { "TOKEN=first", "TOKEN=a=b",
		"WS_PORT=0", "DEBUG=true", "LISTEN=[\"*\"]", "PIDFILE=/x",
		"STATE_DIR=null", NULL };
	struct conf *c = load("{\"TOKEN\": [\"x\", \"y\"], \"WS_PORT\": 5,"
			      "\"HTTP_PORT\": 6, \"STATE_DIR\": \"/s\"}",
	    settings);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->token.count, 1);
	assert_string_equal(c->token.item[0], "a=b");
	assert_int_equal(c->ws_port, 0);
	assert_int_equal(c->http_port, 6);
	assert_true(c->debug);
	assert_int_equal(c->listen.count, 1);
	assert_false(c->listen_is_default);
	assert_string_equal(c->pidfile, "/x");
	assert_null(c->state_dir);
	conf_unref(&c);
}

static void
check_token_setting(const char *setting, const char *want)
{
	const char *const settings[] = { setting, NULL };
	struct conf *c = load(NULL, settings);

	if (c == NULL)
		fail_msg("%s: %s", setting, report);
	assert_string_equal(c->token.item[0], want);
	conf_unref(&c);
}

static void
test_bare_strings(void **state)
{
	const char *const bad[] = { "TOKEN=\xff", "TOKEN=null",
		"TOKEN=", "TOKEN={}", "STATE_DIR=5", NULL };

	(void)state;
	check_token_setting("TOKEN=123", "123");
	check_token_setting("TOKEN=1.50", "1.50");
	check_token_setting("TOKEN=true", "true");
	check_token_setting("TOKEN=\"5\"", "5");
	check_token_setting("TOKEN=a b\"", "a b\"");
	check_token_setting("TOKEN=[\"q\"]", "q");
	check_token_setting("TOKEN=99999999999999999999",
	    "99999999999999999999");
	assert_null(load("{}", bad));
	assert_string_equal(report,
	    "-o TOKEN: must be valid UTF-8\n"
	    "-o TOKEN: must be a string or a list of strings, not null\n"
	    "-o TOKEN: a token cannot be empty\n"
	    "-o TOKEN: must be a string or a list of strings, not an object\n"
	    "-o STATE_DIR: must be an absolute path or null, which begins "
	    "with a /\n");
}

/* A setting does not excuse what the file says. */
static void
test_strict(void **state)
{
	const char *const settings[] = { "WORKERS=1", NULL };

	(void)state;
	assert_null(load("{\"TOKEN\": \"t\", \"WORKERS\": 0}", settings));
	assert_string_equal(report,
	    "f:1: WORKERS: must be a whole number from 1 to 256, not 0\n");
	assert_null(load(NULL, settings));
	assert_string_equal(report, "-o TOKEN: is required, or TOKEN_FILE\n");
}

static struct conf *
load_file(const char *file, bool optional, const char *setting)
{
	char *settings[] = { strdup(setting) };
	struct conf_source src = { .file = file,
		.optional = optional,
		.settings = settings,
		.setting_count = 1 };
	struct conf *c;
	size_t len;
	FILE *out;

	free(report);
	out = open_memstream(&report, &len);
	c = conf_load(&src, out);
	fclose(out);
	free(settings[0]);
	assert_int_equal(c == NULL, report[0] != '\0');
	return c;
}

static void
test_files(void **state)
{
	char name[] = "/tmp/test_conf.XXXXXX";
	int fd = mkstemp(name);
	struct conf *c;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"TOKEN\":\"t\"}\n", 14), 14);
	c = load_file(name, false, "WORKERS=2");
	assert_non_null(c);
	assert_string_equal(c->token.item[0], "t");
	assert_int_equal(c->workers, 2);
	conf_unref(&c);
	assert_int_equal(ftruncate(fd, 14 + CONF_FILE_MAX), 0);
	assert_null(load_file(name, false, "WORKERS=2"));
	assert_non_null(strstr(report, ":1: is larger than 16777216 bytes\n"));
	close(fd);
	unlink(name);
}

static void
test_missing_files(void **state)
{
	struct conf *c;

	(void)state;
	assert_null(load_file("/nonexistent/f", false, "WORKERS=0"));
	assert_string_equal(report,
	    "/nonexistent/f:1: cannot read: No such file or directory\n"
	    "-o WORKERS: must be a whole number from 1 to 256, not 0\n");
	assert_null(load_file("/nonexistent/f", true, "WORKERS=1"));
	assert_string_equal(report,
	    "/nonexistent/f:1: TOKEN or TOKEN_FILE is required\n");
	c = load_file("/nonexistent/f", true, "TOKEN=t");
	assert_non_null(c);
	conf_unref(&c);
	assert_null(load_file("/", true, "TOKEN=t"));
	assert_string_equal(report, "/:1: cannot read: Is a directory\n");
}

static void
test_token_valid(void **state)
{
	struct conf *c = load_good("{\"TOKEN\": [\"abc\", \"xyz1\", \"bcd\"]}");

	(void)state;
	assert_true(conf_token_valid(c, "abc", 3));
	assert_true(conf_token_valid(c, "xyz1", 4));
	assert_true(conf_token_valid(c, "bcd", 3));
	assert_false(conf_token_valid(c, "abd", 3));
	assert_false(conf_token_valid(c, "bbc", 3));
	assert_false(conf_token_valid(c, "ab", 2));
	assert_false(conf_token_valid(c, "abc\0", 4));
	assert_false(conf_token_valid(c, "xyz", 3));
	assert_false(conf_token_valid(c, "", 0));
	conf_unref(&c);
}

static const char *
restart_for(const char *member)
{
	struct conf *a = load_good("{\"TOKEN\": \"t\"}"), *b;
	const char *key;

	b = load_member(member);
	assert_non_null(b);
	key = conf_needs_restart(a, b);
	assert_ptr_equal(conf_needs_restart(b, a), key);
	conf_unref(&a);
	conf_unref(&b);
	return key;
}

static void
test_needs_restart(void **state)
{
	(void)state;
	assert_string_equal(restart_for("\"WS_PORT\": 1"), "WS_PORT");
	assert_string_equal(restart_for("\"HTTP_PORT\": 1"), "HTTP_PORT");
	assert_string_equal(restart_for("\"LISTEN\": \"*\""), "LISTEN");
	assert_string_equal(restart_for("\"LISTEN\": [\"127.0.0.1\", \"::2\"]"),
	    "LISTEN");
	assert_string_equal(restart_for("\"WORKERS\": 256"), "WORKERS");
	assert_string_equal(restart_for("\"STATE_DIR\": \"/s\""), "STATE_DIR");
	assert_string_equal(restart_for("\"PIDFILE\": \"/s\""), "PIDFILE");
	assert_null(restart_for("\"LISTEN\": [\"127.0.0.1\", \"::1\"]"));
	assert_null(restart_for(
	    "\"DEBUG\": true, \"REGISTERS\": [\"a\"], \"AUTH_TIMEOUT\": 1,"
	    "\"LOGIN_TIMEOUT\": 1, \"ACK_TIMEOUT\": 1, \"RESEND_INTERVAL\": 1,"
	    "\"MAX_MESSAGE\": 1, \"MAX_QUEUE\": 1, \"MAX_DEVICES\": 1,"
	    "\"MAX_CONNECTIONS\": 1"));
}

static void
test_refs(void **state)
{
	struct conf *c = load_good("{\"TOKEN\": \"t\"}"), *same;

	(void)state;
	same = conf_ref(c);
	assert_ptr_equal(same, c);
	conf_unref(&c);
	assert_null(c);
	assert_true(conf_token_valid(same, "t", 1));
	conf_unref(&same);
	conf_unref(&same);
}

static int
free_report(void **state)
{
	(void)state;
	free(report);
	report = NULL;
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_every_key),
		cmocka_unit_test(test_good_values),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_unix_length),
		cmocka_unit_test(test_token_faults),
		cmocka_unit_test(test_token_length),
		cmocka_unit_test(test_token_secret),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_fault_limit),
		cmocka_unit_test(test_registers_limit),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_bare_strings),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_missing_files),
		cmocka_unit_test(test_token_valid),
		cmocka_unit_test(test_needs_restart),
		cmocka_unit_test(test_refs),
	};

	return cmocka_run_group_tests(tests, NULL, free_report);
}
