#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

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
