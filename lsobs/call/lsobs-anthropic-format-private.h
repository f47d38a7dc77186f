/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/call/lsobs-call-format-private.h"

G_BEGIN_DECLS

extern const LsobsCallFormat _lsobs_anthropic_format;

G_END_DECLS
