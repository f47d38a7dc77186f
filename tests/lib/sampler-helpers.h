/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A sampler of the program's own. Its rate is not known. */

#pragma once

#include <lsobs/lsobs.h>

G_BEGIN_DECLS

#define TEST_TYPE_SAMPLER (test_sampler_get_type ())
G_DECLARE_FINAL_TYPE (TestSampler, test_sampler, TEST, SAMPLER, GObject)

struct _TestSampler
{
  GObject parent_instance;

  gboolean answer;     /* TRUE unless it is set */
  gboolean alternates; /* keeps every second trace, from the first on, whatever @answer is */
  GPtrArray *asked;    /* (owned) (element-type utf8) the ids of the traces, in their order */
};

G_END_DECLS
