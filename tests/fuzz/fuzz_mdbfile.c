/* SPDX-License-Identifier: ISC */
/* Input: a data file of LMDB. */
#include "config.h"

#include "mdbfile.h"

#include <sys/mman.h>

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define VALUE_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct seen {
	const uint8_t *file;
	size_t len;
	uint64_t next; /* the lowest key that may follow */
	unsigned damages;
};

static bool
see_record(void *arg, uint64_t key, const void *value, size_t len,
    uint64_t offset, bool stray)
{
	struct seen *s = arg;

	CHECK(len <= VALUE_MAX && offset <= s->len && len <= s->len - offset);
	CHECK(memcmp(value, s->file + offset, len) == 0);
	CHECK(stray || key >= s->next);
	if (!stray)
		s->next = key == UINT64_MAX ? key : key + 1;
	return key % 16 != 0;
}

static void
see_damage(void *arg, uint64_t offset, const char *what)
{
	struct seen *s = arg;

	(void)offset;
	CHECK(what[0] != '\0');
	s->damages++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct seen s = { data, len, 0, 0 };
	struct mdbfile_hooks hooks = { &s, see_record, see_damage };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	int state;

	CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
	state = mdbfile_walk(fd, 0, VALUE_MAX, &hooks);
	CHECK(state == (s.damages > 0 ? MDBFILE_DAMAGED : MDBFILE_SOUND));
	close(fd);
	return 0;
}
