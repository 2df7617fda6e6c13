/* SPDX-License-Identifier: ISC */
/*
 * record - what one record of the store holds, and its bytes on disk: all
 * numbers little-endian, a checksum over the key and all the rest in front,
 * so that a record that was damaged, or lies under another key, is known.
 * Pure: bytes in, result out.
 */
#ifndef MPUSHD_RECORD_H
#define MPUSHD_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_VERSION  1   /* of this layout, in the head */
#define RECORD_KEY_HEAD 0   /* the key of the head; all others are above */
#define RECORD_HEADER   32u /* bytes before the id, */
#define RECORD_COLLAPSE 8u  /* and of the collapse key, if there is one */
#define RECORD_TEXT_MAX (256 << 20) /* bytes; the escapes of 16 MiB fit */
#define RECORD_SIZE_MAX                                                        \
	(RECORD_HEADER + RECORD_COLLAPSE + 256 + RECORD_TEXT_MAX)

enum record_kind {
	RECORD_HEAD = 'H',    /* one, the mid is RECORD_VERSION */
	RECORD_DEVICE = 'D',  /* a registration */
	RECORD_MESSAGE = 'M', /* a message that nobody has confirmed */
};

struct record {
	enum record_kind kind;
	const char *id; /* the device's, no NUL follows */
	size_t id_len;
	uint64_t mid; /* of a device: the highest that it may have been given */
	uint64_t time; /* ms since the epoch: accepted; a device: last seen */
	uint64_t collapse; /* as message_collapse has it; 0: none */
	const char *text;  /* as message_text has it; a device has none */
	size_t text_len;
};

/* How many bytes record_write writes. */
size_t record_size(const struct record *);

/* Write a record that is stored under KEY to OUT, record_size bytes. */
void record_write(void *out, uint64_t key, const struct record *);

/*
 * Read the LEN bytes at VALUE that are stored under KEY; the record's pointers
 * point into them.  False when they are damaged.
 */
bool record_read(struct record *, uint64_t key, const void *value, size_t len);

#endif
