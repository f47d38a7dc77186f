/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The size of a slab in bytes. */
#define LSOBS_SLAB_SIZE 576

gpointer _lsobs_slab_alloc (void);
void _lsobs_slab_free (gpointer memory);
void _lsobs_slab_trim (void);

G_END_DECLS
