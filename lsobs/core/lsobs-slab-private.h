/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The size of a slab in bytes. */
#define LSOBS_SLAB_SIZE 576

gpointer _lsobs_slab_alloc (void);
void _lsobs_slab_free (gpointer memory);
void _lsobs_slab_trim (void);

/* The same as g_atomic_ref_count_init() and its neighbours, for objects that each run has: these are
 * written into the function that calls them. A number of references is 1 at first. */

static inline void
_lsobs_ref_init (int *ref_count)
{
  g_atomic_int_set (ref_count, 1);
}

static inline void
_lsobs_ref_inc (int *ref_count)
{
  g_atomic_int_inc (ref_count);
}

/* Returns: whether that was the last reference */
static inline gboolean
_lsobs_ref_dec (int *ref_count)
{
  return g_atomic_int_dec_and_test (ref_count);
}

G_END_DECLS
