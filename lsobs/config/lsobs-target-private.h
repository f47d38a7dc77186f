/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a run belongs to at the service: a project, by its name, or an environment of an agent, by
 * its address lrn:agents/ID/environments/ENVIRONMENT. Immutable. */
typedef struct
{
  gatomicrefcount ref_count;
  gboolean is_address;
  char name[]; /* the name of the project, or the address */
} LsobsTarget;

LsobsTarget *_lsobs_target_new_project (const char *name);
LsobsTarget *_lsobs_target_new_agent (const char *id, const char *environment, GError **error);
LsobsTarget *_lsobs_target_parse_address (const char *text);
LsobsTarget *_lsobs_target_ref (LsobsTarget *self);
void _lsobs_target_unref (LsobsTarget *self);
gboolean _lsobs_target_equal (const LsobsTarget *a, const LsobsTarget *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LsobsTarget, _lsobs_target_unref)

G_END_DECLS
