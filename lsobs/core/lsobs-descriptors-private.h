/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

gboolean _lsobs_descriptors_are_spare (void);

G_END_DECLS
