/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-redact-hook-private.h"

G_BEGIN_DECLS

/* The switches, in the order of their properties. */
typedef enum
{
  LSOBS_SWITCH_REDACT_SECRETS,
  LSOBS_SWITCH_HIDE_INPUTS,
  LSOBS_SWITCH_HIDE_OUTPUTS,
  LSOBS_SWITCH_HIDE_METADATA,
  LSOBS_N_SWITCHES
} LsobsPrivacySwitch;

/* A rule as it was given. */
typedef struct
{
  char *pattern;         /* (owned) */
  char *replacement;     /* (owned) (nullable) */
} LsobsRuleText;

/* What a config says about privacy, beside the one regular expression. */
typedef struct
{
  gboolean switches[LSOBS_N_SWITCHES];
  GPtrArray *rules;      /* (owned) (element-type LsobsRuleText) */
  GPtrArray *keys;       /* (owned) (element-type utf8) */
  LsobsRedactHook *hook; /* (owned) (nullable) */
} LsobsPrivacy;

void          _lsobs_privacy_init               (LsobsPrivacy        *self);
void          _lsobs_privacy_clear              (LsobsPrivacy        *self);
void          _lsobs_privacy_install_properties (GParamSpec         **props);

LsobsPrivacy *_lsobs_config_peek_privacy        (LsobsConfig         *self);
void          _lsobs_config_set_switch          (LsobsConfig         *self,
                                                 LsobsPrivacySwitch   which,
                                                 gboolean             value);

/* (nullable) (transfer none): the secret itself; there is no public way to it. */
const char *_lsobs_config_peek_api_key (LsobsConfig *self);

G_END_DECLS
