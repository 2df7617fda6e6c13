/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record.h"

#define KEY 77

static const struct record message = {
	.kind = RECORD_MESSAGE,
	.id = "phone",
	.id_len = 5,
	.mid = UINT64_C(0x0102030405060708),
	.time = 1557901952810,
	.text = "\"title\":\"a\",\"content\":\"b\"",
	.text_len = 25,
};

static uint8_t *
written(const struct record *r, uint64_t key)
{
	uint8_t *out = malloc(record_size(r));

	assert_non_null(out);
	record_write(out, key, r);
	return out;
}

static void
assert_same(const struct record *a, const struct record *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->id_len, b->id_len);
	assert_memory_equal(a->id, b->id, b->id_len);
	assert_int_equal(a->mid, b->mid);
	assert_int_equal(a->time, b->time);
	assert_int_equal(a->collapse, b->collapse);
	assert_int_equal(a->text_len, b->text_len);
	if (b->text_len > 0)
		assert_memory_equal(a->text, b->text, b->text_len);
}

static void
test_what_was_written_is_read(void **state)
{
	struct record device = { .kind = RECORD_DEVICE,
		.id = "x",
		.id_len = 1,
		.mid = 3,
		.time = 4 };
	struct record head = { .kind = RECORD_HEAD,
		.id = "",
		.mid = RECORD_VERSION };
	struct record collapsible = message;
	const struct record *all[] = { &message, &device, &head, &collapsible };
	struct record got;
	uint8_t *bytes;
	size_t i;

	(void)state;
	collapsible.collapse = UINT64_C(0x0102030405060708);
	for (i = 0; i < 4; i++) {
		bytes = written(all[i], KEY);
		assert_true(record_read(&got, KEY, bytes, record_size(all[i])));
		assert_same(&got, all[i]);
		free(bytes);
	}
}

/* The layout is a promise to every later version. */
static void
test_layout_is_what_it_was(void **state)
{
	uint8_t *bytes = written(&message, KEY);

	(void)state;
	assert_int_equal(record_size(&message), 32 + 5 + 25);
	assert_int_equal(bytes[8], 'M');
	assert_int_equal(bytes[9], 0);
	assert_memory_equal(bytes + 10, "\5\0", 2);
	assert_memory_equal(bytes + 12, "\31\0\0\0", 4);
	assert_memory_equal(bytes + 16, "\10\7\6\5\4\3\2\1", 8);
	assert_memory_equal(bytes + 32, "phone\"title\"", 12);
	/* SipHash-2-4 of the rest with the key 77, 0. */
	assert_memory_equal(bytes, "\x67\xb9\xfc\x00\x40\xb6\x80\x7e", 8);
	free(bytes);
}

static void
test_every_flipped_bit_is_found(void **state)
{
	size_t len = record_size(&message), bit;
	uint8_t *bytes = written(&message, KEY);
	struct record got;

	(void)state;
	for (bit = 0; bit < len * 8; bit++) {
		bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
		assert_false(record_read(&got, KEY, bytes, len));
		bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
	}
	assert_true(record_read(&got, KEY, bytes, len));
	free(bytes);
}

static void
test_a_wrong_key_or_length_is_found(void **state)
{
	size_t len = record_size(&message), n;
	uint8_t *bytes = written(&message, KEY);
	struct record got;

	(void)state;
	assert_false(record_read(&got, KEY + 1, bytes, len));
	for (n = 0; n < len; n++) {
		uint8_t *cut = malloc(n + 1);

		assert_non_null(cut);
		memcpy(cut, bytes, n);
		assert_false(record_read(&got, KEY, cut, n));
		free(cut);
	}
	free(bytes);
}

/* A checksum that is right does not make nonsense a record. */
static void
test_a_record_of_no_kind_is_not_read(void **state)
{
	struct record strange = message, got;
	uint8_t *bytes;

	(void)state;
	strange.kind = (enum record_kind)'Z';
	bytes = written(&strange, KEY);
	assert_false(record_read(&got, KEY, bytes, record_size(&strange)));
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written_is_read),
		cmocka_unit_test(test_layout_is_what_it_was),
		cmocka_unit_test(test_every_flipped_bit_is_found),
		cmocka_unit_test(test_a_wrong_key_or_length_is_found),
		cmocka_unit_test(test_a_record_of_no_kind_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
