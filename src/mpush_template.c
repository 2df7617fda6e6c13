/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <err.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "conf_template.h"
#include "hook.h"
#include "hook_own.h"
#include "jsonbody.h"
#include "mpush.h"
#include "mpush_show.h"
#include "push.h"
#include "urlenc.h"

#define TEMPLATE_CONF MPUSHD_SYSCONFDIR "/mpushd/mpushd.conf"

struct template_run {
	const char *file, *device, *name;
	struct conf *conf;
};

/* All but what only a daemon needs. */
static void
template_read_conf(struct template_run *t)
{
	struct conf_source source = {
		.file = t->file != NULL ? t->file : TEMPLATE_CONF,
		.optional = t->file == NULL,
		.elsewhere = true,
	};

	t->conf = conf_load(&source, stderr);
	if (t->conf == NULL)
		exit(MPUSH_EXIT_FAULT);
}

/* The body on standard input. */
static json_t *
template_read_body(size_t max)
{
	char *text = malloc(max + 1);
	json_t *body;
	size_t len;

	if (text == NULL)
		err(MPUSH_EXIT_FAULT, NULL);
	len = fread(text, 1, max + 1, stdin);
	if (ferror(stdin))
		err(MPUSH_EXIT_FAULT, "standard input");
	if (len > max)
		errx(MPUSH_EXIT_FAULT, "standard input: larger than "
				       "MAX_WEBHOOK");
	body = jsonbody_load(text, len);
	if (body == NULL)
		errx(MPUSH_EXIT_FAULT, "standard input: %s",
		    errno == ENOMEM ? "out of memory" : "not valid JSON");
	free(text);
	return body;
}

/* The template that is named, or that the daemon would choose, or NULL. */
static const struct conf_template *
template_choose(const struct template_run *t, const char *shape)
{
	const struct conf_templates *all = &t->conf->templates;
	const struct conf_template *found;
	struct push_to to = { .several = NULL };

	if (t->name != NULL) {
		found = conf_template_find(all, t->name);
		if (found == NULL)
			errx(MPUSH_EXIT_FAULT,
			    "%s: there is no template of "
			    "that name in %s",
			    t->name, t->file != NULL ? t->file : TEMPLATE_CONF);
		return found;
	}
	if (strlen(t->device) >= sizeof(to.id))
		errx(MPUSH_EXIT_USAGE, "-d: longer than 256 bytes");
	to.id_len = strlen(t->device);
	memcpy(to.id, t->device, to.id_len + 1);
	return strcmp(shape, "none") == 0 ?
		   NULL :
		   conf_template_choose(all, shape, &to);
}

static void
template_show_line(const char *name, const char *text, size_t len)
{
	printf("%s: ", name);
	mpush_show_text(stdout, text, len, NULL);
	putchar('\n');
}

static void
template_show(const struct hook_result *r, const struct conf_template *t)
{
	printf("shape: %s\n", r->shape);
	if (t != NULL)
		template_show_line("template", t->name, strlen(t->name));
	if (r->priority != 0)
		printf("priority: %d\n", r->priority);
	if (r->url != NULL && *r->url != '\0')
		template_show_line("url", r->url, strlen(r->url));
	if (r->tags != NULL && *r->tags != '\0')
		template_show_line("tags", r->tags, strlen(r->tags));
	if (r->key != NULL && *r->key != '\0')
		template_show_line("key", r->key, strlen(r->key));
	template_show_line("title", r->title != NULL ? r->title : "",
	    r->title_len);
	putchar('\n');
	if (r->content_len > 0) {
		mpush_show_text(stdout, r->content, r->content_len, "");
		putchar('\n');
	}
}

static void
template_render_body(const struct template_run *t, json_t *body)
{
	struct hook_options options = {
		.max_bytes = (size_t)t->conf->max_message,
		.severities = t->conf->severities.item,
		.severity_count = t->conf->severities.count,
	};
	const struct conf_template *own;
	struct hook_result r;

	if (hook_render(body, &options, &r) == -1)
		err(MPUSH_EXIT_FAULT, NULL);
	own = template_choose(t, r.shape);
	if (own != NULL && hook_own_render(own, body, &options, &r) == -1)
		errx(MPUSH_EXIT_FAULT, "%s: %s", own->name,
		    errno == ENOMEM ? "out of memory" :
				      "takes too many steps with this body: "
				      "the daemon would use the built-in form");
	if (own == NULL && strcmp(r.shape, "none") == 0)
		errx(MPUSH_EXIT_FAULT, "standard input: a title and a content, "
				       "no webhook");
	template_show(&r, own);
	hook_result_done(&r);
}

int
mpush_template(int argc, char **argv)
{
	struct template_run t = { .device = "" };
	json_t *body;
	int c;

	while ((c = getopt(argc, argv, "d:f:")) != -1) {
		switch (c) {
		case 'd':
			t.device = optarg;
			break;
		case 'f':
			t.file = optarg;
			break;
		default:
			mpush_usage();
		}
	}
	if (argc - optind > 1)
		mpush_usage();
	t.name = argv[optind];
	template_read_conf(&t);
	body = template_read_body((size_t)t.conf->max_webhook);
	template_render_body(&t, body);
	json_decref(body);
	conf_unref(&t.conf);
	if (fflush(stdout) == EOF)
		err(MPUSH_EXIT_FAULT, "standard output");
	return 0;
}
