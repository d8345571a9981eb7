/* The two versions this project reports: its own, and the Agent release whose behaviour and wire
 * format it stands in for (User-Agent, host prefix of Datadog's intakes, datadog.agent.running). */
#ifndef BH_COMMON_VERSION_H
#define BH_COMMON_VERSION_H

#define BH_VERSION       "0.1.0"
#define BH_AGENT_VERSION "7.70.1"

#endif
