/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Runs an inner main context in an outer one. The thread that iterates the outer context then owns
 * both while sources of the inner one are dispatched. In between, no thread owns the inner context,
 * so that another thread may acquire it and run it instead, for example when the outer one is not
 * iterated any more.
 *
 * Its maker holds the source, and so does each operation whose end still needs the inner context;
 * the last release destroys it.
 *
 * The inner context needs G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING. In a forked child, the source
 * does nothing. */
GSource *_lsobs_context_source_new (GMainContext *inner);
GSource *_lsobs_context_source_hold (GSource *source);
void _lsobs_context_source_release (GSource *source);

G_END_DECLS
