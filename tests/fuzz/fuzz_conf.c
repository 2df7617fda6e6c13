/* SPDX-License-Identifier: ISC */
/* Input: what a file holds and, behind the last NUL if any, one setting. */
#include "config.h"

#include "conf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Every line of a report names a line that there is, or an option. */
static void
check_report(const char *report, long lines)
{
	const char *end;
	char *after;
	long line;

	for (; *report != '\0'; report = end + 1) {
		end = strchr(report, '\n');
		CHECK(end != NULL);
		/* An option, or a line of the file of TOKEN_FILE. */
		if (strncmp(report, "-o ", 3) == 0 || report[0] == '/')
			continue;
		CHECK(strncmp(report, "f:", 2) == 0);
		line = strtol(report + 2, &after, 10);
		CHECK(line >= 1 && line <= lines);
		CHECK(strncmp(after, ": ", 2) == 0);
	}
}

static void
check_conf(struct conf *c)
{
	const char *token;
	size_t i;

	CHECK(c->token.count > 0);
	for (i = 0; i < c->token.count; i++) {
		token = c->token.item[i];
		CHECK(token[0] != '\0');
		CHECK(conf_token_valid(c, token, strlen(token)));
	}
	CHECK(c->listen.count > 0);
	CHECK(c->ws_port >= 0 && c->ws_port <= 65535);
	CHECK(c->http_port >= 0 && c->http_port <= 65535);
	CHECK(c->workers >= 1 && c->workers <= CONF_WORKERS_MAX);
	CHECK(c->ack_timeout >= 10 && c->ack_timeout <= 86400000);
	CHECK(c->max_message >= 1 && c->max_message <= 16 << 20);
	CHECK(c->registers.count <= (size_t)c->max_devices);
	CHECK(c->pidfile != NULL && c->pidfile[0] == '/');
	CHECK(conf_needs_restart(c, c) == NULL);
}

static void
check_text(const char *text, size_t len, char *setting)
{
	struct conf_source src = { .file = "f",
		.settings = &setting,
		.setting_count = setting != NULL };
	char *report;
	long lines = 1;
	size_t i, n;
	FILE *out = open_memstream(&report, &n);
	struct conf *c;

	CHECK(out != NULL);
	c = conf_parse_text(&src, text, len, out);
	fclose(out);
	CHECK((c != NULL) == (n == 0));
	for (i = 0; i < len; i++)
		lines += text[i] == '\n';
	check_report(report, lines);
	if (c != NULL)
		check_conf(c);
	conf_unref(&c);
	free(report);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data;
	const char *nul = len > 0 ? memrchr(data, 0, len) : NULL;
	char *setting = NULL;

	if (nul != NULL) {
		setting = strndup(nul + 1, (size_t)(text + len - nul - 1));
		CHECK(setting != NULL);
		len = (size_t)(nul - text);
	}
	check_text(text, len, setting);
	free(setting);
	return 0;
}
