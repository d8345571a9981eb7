#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "common/crc.h"
#include "logs-agent/trail.h"

/* Against the plain definition: the window is what stands before the position in all that was fed.
 */
Test(trail, the_window_is_what_stands_before_the_position)
{
	static char all[200000];
	struct bh_trail t = {.from = 0};
	unsigned seed = 7;
	size_t fed = 0, done = 0;

	while (fed < sizeof(all) - 3000) {
		size_t n = (size_t)(rand_r(&seed) % 2 ? rand_r(&seed) % 20 : rand_r(&seed) % 2000);
		struct bh_window w;

		for (size_t i = 0; i < n; i++)
			all[fed + i] = (char)('a' + rand_r(&seed) % 26);
		all[fed + n] = '\n';
		bh_trail_begin(&t, (struct bh_str){all + fed, n}, (struct bh_str){"\n", 1});
		fed += n + 1;
		for (int messages = rand_r(&seed) % 3; messages > 0; messages--) {
			size_t part = (size_t)rand_r(&seed) % (fed - done + 1);

			part = rand_r(&seed) % 2 ? fed - done : part;
			bh_trail_done(&t, part);
			done += part;
			bh_trail_window(&t, &w);
			cr_assert_eq(w.n, done < BH_MARKER_MAX ? done : BH_MARKER_MAX);
			cr_assert_eq(memcmp(w.bytes, all + done - w.n, w.n), 0, "at %zu", done);
		}
		cr_assert_eq(bh_trail_end(&t), 0);
		bh_trail_window(&t, &w);
		cr_assert_eq(memcmp(w.bytes, all + done - w.n, w.n), 0, "at %zu", done);
	}
	bh_trail_release(&t);
}

Test(trail, nothing_is_kept_while_nothing_is_held)
{
	static char line[10000];
	struct bh_trail t = {.from = 0};

	memset(line, 'x', sizeof(line));
	for (int i = 0; i < 100; i++) {
		bh_trail_begin(&t, (struct bh_str){line, sizeof(line)}, (struct bh_str){"\n", 1});
		bh_trail_done(&t, sizeof(line) + 1);
		cr_assert_eq(bh_trail_end(&t), 0);
	}
	cr_assert_eq(t.held.cap, 0);
}

/* A file that is written anew between two looks is not read on from the middle of a line (§4.4). */
Test(trail, a_window_has_the_marker_of_its_last_bytes)
{
	static const char text[] = "2024 one\n2024 two\n";
	struct bh_window w = {.n = 0};

	bh_window_add(&w, text, sizeof(text) - 1);
	cr_expect(bh_window_has(&w, 0, 7));
	cr_expect(bh_window_has(&w, 9, bh_crc64(0, "2024 two\n", 9)));
	cr_expect(bh_window_has(&w, 18, bh_crc64(0, text, 18)));
	cr_expect_not(bh_window_has(&w, 9, bh_crc64(0, "2024 one\n", 9)));
	cr_expect_not(bh_window_has(&w, 19, bh_crc64(0, text, 18)), "more than it has");
}
