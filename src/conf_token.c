/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "conf_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "utf8.h"

const char *
conf_token_fault(const char *text, size_t len)
{
	if (len == 0)
		return "a token cannot be empty";
	if (len > CONF_TOKEN_MAX)
		return "a token cannot be longer than 65536 bytes";
	if (memchr(text, 0, len) != NULL)
		return "a token cannot have U+0000 in it";
	if (!utf8_valid(text, len))
		return "a token must be valid UTF-8";
	return NULL;
}

static int
conf_token_add(struct conf_list *list, const char *text, size_t len)
{
	char **items;

	items = reallocarray(list->item, list->count + 1, sizeof(items[0]));
	if (items == NULL)
		return -1;
	list->item = items;
	items[list->count] = strndup(text, len);
	if (items[list->count] == NULL)
		return -1;
	list->count++;
	return 0;
}

/* One line without its end; true when it has a token, or a fault. */
static bool
conf_token_take_line(struct conf *c, const struct conf_place *at, int line,
    const char *text, size_t len)
{
	const char *fault;

	if (len > 0 && text[len - 1] == '\r')
		len--;
	if (len == 0 || text[0] == '#')
		return false;
	fault = conf_token_fault(text, len);
	if (fault == NULL && conf_token_add(&c->token, text, len) == -1)
		fault = "out of memory";
	if (fault != NULL)
		conf_fault_in_file(at->faults, c->token_file, line, fault);
	return true;
}

static void
conf_token_parse(struct conf *c, const struct conf_place *at, const char *text,
    size_t len)
{
	const char *end = text + len, *newline;
	bool any = false;
	int line = 1;

	for (; text < end; text = newline + 1, line++) {
		newline = memchr(text, '\n', (size_t)(end - text));
		if (newline == NULL)
			newline = end;
		any |= conf_token_take_line(c, at, line, text,
		    (size_t)(newline - text));
	}
	if (!any)
		conf_fault_in_file(at->faults, c->token_file, 1,
		    "there is no token in it");
}

/*
 * Read up to SIZE bytes.  Returns how many, or -1 with errno, which is 0 for
 * what is no regular file.
 */
static ssize_t
conf_token_load(const char *path, char *buffer, size_t size)
{
	/* Not blocking: the path may be that of a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;
	size_t used = 0;
	struct stat st;
	ssize_t n = 1;

	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		n = -1;
	while (error == 0 && n > 0 && used < size) {
		n = read(fd, buffer + used, size - used);
		if (n == -1)
			error = errno;
		else
			used += (size_t)n;
	}
	close(fd);
	errno = error;
	return error != 0 || n == -1 ? -1 : (ssize_t)used;
}

void
conf_token_read(struct conf *c, const struct conf_place *at)
{
	/* One byte more tells whether the file is too large. */
	char *buffer = malloc(CONF_TOKEN_FILE_MAX + 1);
	ssize_t n;

	if (buffer == NULL) {
		conf_fault_at(at, -1, "out of memory");
		return;
	}
	n = conf_token_load(c->token_file, buffer, CONF_TOKEN_FILE_MAX + 1);
	if (n == -1)
		conf_fault_at(at, -1, "cannot read %s: %s", c->token_file,
		    errno != 0 ? strerror(errno) : "not a regular file");
	else if (n > CONF_TOKEN_FILE_MAX)
		conf_fault_in_file(at->faults, c->token_file, 1,
		    "is larger than 1048576 bytes");
	else
		conf_token_parse(c, at, buffer, (size_t)n);
	explicit_bzero(buffer, CONF_TOKEN_FILE_MAX + 1);
	free(buffer);
}
