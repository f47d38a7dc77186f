/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Where runs go at the service: a project by its name, or an environment of an agent by
 * its address, lrn:agents/ID/environments/ENVIRONMENT. Immutable, reference counted. */
typedef struct
{
  gatomicrefcount ref_count;
  gboolean is_address;
  char name[]; /* the name of the project, or the address */
} LsobsDestination;

LsobsDestination *_lsobs_destination_new_project (const char *name);
LsobsDestination *_lsobs_destination_new_agent (const char *id,
                                                const char *environment,
                                                GError **error);
LsobsDestination *_lsobs_destination_parse_address (const char *text);
LsobsDestination *_lsobs_destination_ref (LsobsDestination *self);
void _lsobs_destination_unref (LsobsDestination *self);
gboolean _lsobs_destination_equal (const LsobsDestination *a, const LsobsDestination *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsDestination, _lsobs_destination_unref)

G_END_DECLS
