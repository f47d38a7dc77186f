/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <xxhash.h>

#include "lsobs/config/lsobs-probability-sampler-private.h"

/**
 * SECTION:lsobs-probability-sampler
 * @title: LsobsProbabilitySampler
 * @short_description: keeps a share of the traces
 *
 * An #LsobsSampler that keeps each trace with a given probability. The decision depends only on the
 * id of the trace, and is evenly distributed for UUIDs of all versions: each process, and each
 * client that uses the same method, keeps the same traces. The method is a bucket, one of a
 * million, of the XXH3-128 hash of the text of the id.
 *
 * The metadata `ls_tracing_sample_rate` of each run is the rate, so that sums over the runs that
 * were sent can be scaled up. It is left out if the rate is 1, if the program sets metadata of that
 * name, or if #LsobsConfig:hide-metadata is %TRUE.
 */

#define N_BUCKETS 1000000

struct _LsobsProbabilitySampler
{
  GObject parent_instance;

  double rate; /* construct-only */
};

typedef enum
{
  PROP_RATE = 1
} LsobsProbabilitySamplerProperty;
static GParamSpec *props[PROP_RATE + 1] = { NULL };

static void lsobs_probability_sampler_sampler_init (LsobsSamplerInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (LsobsProbabilitySampler,
                               lsobs_probability_sampler,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_SAMPLER,
                                                      lsobs_probability_sampler_sampler_init))

/* Returns: the 128-bit hash of the id, modulo the number of buckets */
static guint
get_bucket (const char *trace_id)
{
  XXH128_hash_t hash = XXH3_128bits (trace_id, strlen (trace_id));
  guint64 high = hash.high64 % N_BUCKETS;

  /* 2^64 mod 10^6 */
  return (guint) ((high * 551616 + hash.low64 % N_BUCKETS) % N_BUCKETS);
}

gboolean
_lsobs_probability_sampler_keeps (double rate, const char *trace_id)
{
  double share;

  if (rate >= 1.0)
    return TRUE;
  if (!(rate > 0.0))
    return FALSE;
  /* The variable rounds: on some machines, a quotient has more digits than a double. */
  share = get_bucket (trace_id) / (double) N_BUCKETS;
  return share < rate;
}

static gboolean
lsobs_probability_sampler_should_sample (LsobsSampler *sampler, const char *trace_id)
{
  return _lsobs_probability_sampler_keeps (LSOBS_PROBABILITY_SAMPLER (sampler)->rate, trace_id);
}

static void
lsobs_probability_sampler_get_property (GObject *object,
                                        guint prop_id,
                                        GValue *value,
                                        GParamSpec *pspec)
{
  LsobsProbabilitySampler *self = LSOBS_PROBABILITY_SAMPLER (object);

  switch ((LsobsProbabilitySamplerProperty) prop_id)
    {
    case PROP_RATE:
      g_value_set_double (value, self->rate);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_probability_sampler_set_property (GObject *object,
                                        guint prop_id,
                                        const GValue *value,
                                        GParamSpec *pspec)
{
  LsobsProbabilitySampler *self = LSOBS_PROBABILITY_SAMPLER (object);

  switch ((LsobsProbabilitySamplerProperty) prop_id)
    {
    case PROP_RATE:
      self->rate = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
lsobs_probability_sampler_class_init (LsobsProbabilitySamplerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->get_property = lsobs_probability_sampler_get_property;
  object_class->set_property = lsobs_probability_sampler_set_property;

  /**
   * LsobsProbabilitySampler:rate:
   *
   * The probability that a trace is kept, from 0.0 to 1.0.
   *
   * Since: 0.1
   */
  props[PROP_RATE] =
      g_param_spec_double ("rate", "", "", 0.0, 1.0, 1.0,
                           G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
  g_object_class_install_properties (object_class, G_N_ELEMENTS (props), props);
}

static void
lsobs_probability_sampler_sampler_init (LsobsSamplerInterface *iface)
{
  iface->should_sample = lsobs_probability_sampler_should_sample;
}

static void
lsobs_probability_sampler_init (LsobsProbabilitySampler *self)
{
  self->rate = 1.0;
}

/**
 * lsobs_probability_sampler_new:
 * @rate: the probability that a trace is kept, from 0.0 to 1.0
 *
 * Creates a sampler. A @rate below 0 means 0, and keeps no trace. A @rate above 1 means 1, and
 * keeps all traces.
 *
 * Returns: (transfer full): a new sampler
 *
 * Since: 0.1
 */
LsobsProbabilitySampler *
lsobs_probability_sampler_new (double rate)
{
  /* Not-a-number keeps no trace. GObject does not accept infinity, which MIN() replaces. */
  return g_object_new (LSOBS_TYPE_PROBABILITY_SAMPLER, "rate", rate > 0.0 ? MIN (rate, 1.0) : 0.0,
                       NULL);
}

/**
 * lsobs_probability_sampler_get_rate:
 * @self: a sampler
 *
 * Gets the probability that a trace is kept. Can be called from any thread.
 *
 * Returns: the probability, from 0.0 to 1.0
 *
 * Since: 0.1
 */
double
lsobs_probability_sampler_get_rate (LsobsProbabilitySampler *self)
{
  g_return_val_if_fail (LSOBS_IS_PROBABILITY_SAMPLER (self), 1.0);

  return self->rate;
}
