/* test_place.c - lists of memory nodes, and interleaving over those that there are. */
#include "test.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/place.h"

enum { LONG_BITS = 8 * sizeof(unsigned long), SIZE = 64 << 12 };

static bool has(const ds_nodes *nodes, int i)
{
    return nodes->mask[i / LONG_BITS] >> i % LONG_BITS & 1;
}

static void lists(void **state)
{
    ds_nodes n;
    (void)state;

    assert_true(ds_nodes_parse(&n, "0\n"));
    assert_int_equal(n.n, 1);
    assert_true(has(&n, 0));
    assert_true(ds_nodes_parse(&n, "0-2,5,64-65\n"));
    assert_int_equal(n.n, 6);
    assert_true(has(&n, 2) && !has(&n, 3) && has(&n, 5) && has(&n, 64) && has(&n, 65));
    assert_true(ds_nodes_parse(&n, "1,0-1,1023"));
    assert_int_equal(n.n, 3);

    static const char *const wrong[] = { "", "\n", "a", "-1", "1-", "2-1", "0,", "0 1", "1024", "0-99999999999999999999" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(ds_nodes_parse(&n, wrong[i]));
        assert_int_equal(n.n, 0);
    }
}

/* The policy of the memory at ptr: its mode and nodes. */
static int policy(void *ptr, ds_nodes *nodes)
{
    int mode = -1;
    memset(nodes, 0, sizeof *nodes);
    return syscall(SYS_get_mempolicy, &mode, nodes->mask, (unsigned long)DS_MAX_NODES + 1, ptr, 2 /* MPOL_F_ADDR */) ? -1 : mode;
}

static void interleaving(void **state)
{
    ds_nodes here, set;
    void    *ptr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;

    assert_ptr_not_equal(ptr, MAP_FAILED);
    ds_nodes_here(&here);
    if (here.n == 1) { /* nothing to do, and nothing is done */
        assert_true(ds_place_interleaved(ptr, SIZE, &here));
        assert_int_not_equal(policy(ptr, &set), 3);
    }
    if (policy(ptr, &set) < 0) {
        print_message("    the system has no memory policies: interleaving itself is not tested here\n");
        munmap(ptr, SIZE);
        skip();
    }
    /* a made-up second node: the system takes those of the set that exist */
    ds_nodes two = here;
    two.mask[0] |= 3;
    two.n = 2;
    assert_true(ds_place_interleaved(ptr, SIZE, &two));
    assert_int_equal(policy(ptr, &set), 3); /* MPOL_INTERLEAVE */
    assert_true(has(&set, 0));
    memset(ptr, 1, SIZE);
    /* a node that cannot be: refused, and the memory serves all the same */
    ds_nodes none = { .n = 2 };
    none.mask[sizeof none.mask / sizeof *none.mask - 1] = 3ul << (LONG_BITS - 2);
    assert_false(ds_place_interleaved(ptr, SIZE, &none));
    memset(ptr, 2, SIZE);
    munmap(ptr, SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists), cmocka_unit_test(interleaving) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
