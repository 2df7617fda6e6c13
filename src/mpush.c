/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "mpush.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(int, char **);
	const char *usage;
} commands[] = {
	{ "listen", mpush_listen,
	    "[-jqv] [-k seconds] [-n count] [-T file] [-u url] device" },
	{ "send", mpush_send,
	    "[-1aq] [-g tags] [-k key] [-l link] [-p priority] [-t title]\n"
	    "                  [-u url] [-w seconds] device [text | -]" },
	{ "template", mpush_template, "[-d device] [-f file] [name]" },
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

void
mpush_usage(void)
{
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++)
		fprintf(stderr, "%s mpush %s %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].name,
		    commands[i].usage);
	exit(MPUSH_EXIT_USAGE);
}

void
mpush_find_server(const char *option, const char *fallback,
    struct mpush_url *url)
{
	const char *text = option != NULL ? option : getenv("MPUSH_URL");
	const char *fault;
	uint16_t port = strncmp(fallback, "ws", 2) == 0 ? 2245 : 2246;

	if (text == NULL || *text == '\0')
		text = fallback;
	fault = mpush_url_parse(text, port, url);
	if (fault != NULL)
		errx(MPUSH_EXIT_USAGE, "%s: %s", text, fault);
}

int
main(int argc, char **argv)
{
	size_t i;

	if (argc == 2 && strcmp(argv[1], "-V") == 0) {
		printf("mpush %s\n", PACKAGE_VERSION);
		return 0;
	}
	for (i = 0; argc >= 2 && i < COMMAND_COUNT; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	mpush_usage();
}
