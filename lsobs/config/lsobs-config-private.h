/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lsobs/lsobs-config.h"
#include "lsobs/config/lsobs-key-source-private.h"
#include "lsobs/config/lsobs-redact-hook-private.h"
#include "lsobs/config/lsobs-replica-private.h"
#include "lsobs/config/lsobs-target-private.h"

G_BEGIN_DECLS

#define LSOBS_CONFIG_FIRST_PAUSE 60000 /* ms: sending pauses when nothing is taken */
#define LSOBS_CONFIG_FIRST_PROBE 1000  /* ms: from a failure to the first probe */

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
  char *pattern;     /* (owned) */
  char *replacement; /* (owned) (nullable) */
} LsobsRuleText;

/* What a config says about privacy, beside the one regular expression. */
typedef struct
{
  gboolean switches[LSOBS_N_SWITCHES];
  GPtrArray *rules;      /* (owned) (element-type LsobsRuleText) */
  GPtrArray *keys;       /* (owned) (element-type utf8) */
  LsobsRedactHook *hook; /* (owned) (nullable) */
} LsobsPrivacy;

void _lsobs_privacy_init (LsobsPrivacy *self);
void _lsobs_privacy_clear (LsobsPrivacy *self);
void _lsobs_privacy_install_properties (GParamSpec **props);

LsobsPrivacy *_lsobs_config_peek_privacy (LsobsConfig *self);
void _lsobs_config_set_switch (LsobsConfig *self, LsobsPrivacySwitch which, gboolean value);

/* Where a target of runs was set: each source outranks those before it. */
typedef enum
{
  LSOBS_ORIGIN_NONE,
  LSOBS_ORIGIN_ENVIRONMENT,
  LSOBS_ORIGIN_PROGRAM
} LsobsOrigin;

/* The agent that a config names, and who has named that and the project. */
typedef struct
{
  char *id;          /* (owned) (nullable) */
  char *environment; /* (owned) (nullable) */
  LsobsOrigin origin;
  LsobsOrigin project_origin;
  const char *project_variable; /* (nullable) static: names the project beside the agent */
} LsobsAgent;

LsobsAgent *_lsobs_config_peek_agent (LsobsConfig *self);
void _lsobs_config_notify_agent (LsobsConfig *self, gboolean environment);
void _lsobs_config_set_destination_from_environment (LsobsConfig *self,
                                                     const char *variable,
                                                     gboolean yields);
LsobsTarget *_lsobs_config_dup_destination (LsobsConfig *self, GError **error);

/* The settings of the protocol, in the order of their properties. */
typedef enum
{
  LSOBS_PROTOCOL_COMPRESSION,
  LSOBS_PROTOCOL_COMPRESSION_LEVEL,
  LSOBS_PROTOCOL_TRACING_ENABLED,
  LSOBS_PROTOCOL_TRUST_INCOMING_HEADERS,
  LSOBS_PROTOCOL_FAILED_TRACES_DIR,
  LSOBS_PROTOCOL_FAILED_TRACES_MAX_BYTES,
  LSOBS_PROTOCOL_REVISION_ID,
  LSOBS_N_PROTOCOL_SETTINGS
} LsobsProtocolSetting;

/* What a config says about the way runs go through the protocol. */
typedef struct
{
  LsobsCompression compression;
  gint64 compression_level;
  gboolean tracing_enabled;
  gboolean trust_incoming_headers;
  char *failed_traces_dir; /* (owned) (nullable) */
  gint64 failed_traces_max_bytes;
  char *revision_id;  /* (owned) (nullable) */
  gint64 first_pause; /* ms; no property, for tests that cannot wait */
  gint64 first_probe; /* ms; the same */
} LsobsProtocol;

void _lsobs_protocol_init (LsobsProtocol *self);
void _lsobs_protocol_clear (LsobsProtocol *self);
void _lsobs_protocol_install_properties (GParamSpec **props);

LsobsProtocol *_lsobs_config_peek_protocol (LsobsConfig *self);
void _lsobs_config_get_protocol_setting (LsobsConfig *self,
                                         LsobsProtocolSetting setting,
                                         GValue *value);
void _lsobs_config_set_protocol_setting (LsobsConfig *self,
                                         LsobsProtocolSetting setting,
                                         const GValue *value);

/* (nullable) (transfer none): the secret itself; there is no public way to it. */
const char *_lsobs_config_peek_api_key (LsobsConfig *self);
/* (nullable) (transfer none): how to get the key of a profile that does not contain it */
LsobsKeySource *_lsobs_config_peek_key_source (LsobsConfig *self);
void _lsobs_config_take_key_source (LsobsConfig *self, LsobsKeySource *source);
gboolean _lsobs_config_has_api_url (LsobsConfig *self);

/* (transfer none) (element-type LsobsReplica) */
GPtrArray *_lsobs_config_peek_replicas (LsobsConfig *self);
void _lsobs_config_take_replica (LsobsConfig *self, LsobsReplica *replica);

const char *_lsobs_config_trim (const char *text, gsize *len);
char *_lsobs_config_dup_trimmed (const char *text);

G_END_DECLS
