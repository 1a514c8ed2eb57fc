"""The resources of the tests' buses."""

HEAD = """apiVersion: messaging.svom.eu/v1alpha1
kind: SvomMessaging
metadata: {name: NAME, namespace: svom}
spec:
"""

MISSION = (
    HEAD.replace("NAME", "fsc")
    + """
  domains:
    - {name: activity, programs: [calibration, core_program, general_program, infrastructure, too]}
    - {name: science, programs: [calibration, core_program, general_program, infrastructure, too]}
    - {name: data, programs: [mdb, vhf, xband]}
    - {name: orders, programs: [pointing], discard: New, maxMessagesPerQueue: 5}
  users:
    - name: svom
      publish: ["data.*", "science.*"]
      subscribe: ["data.*", "science.*", "*.too"]
      secretRef: {name: svom-credentials}
    - name: mute
      subscribe: [data.vhf]
    - name: order
      publish: [orders.pointing]
      subscribe: [orders.pointing]
      durables: [{name: carried-out, queues: [orders.pointing]}]
    - name: desk
      publish: [science.too]
      subscribe: ["science.*"]
      authentication: NKey
      durables: [{name: alerts, queues: [science.too], deliver: New}]
    - name: worker
      publish: [activity.calibration, activity.infrastructure, activity.too, activity.core_program]
      subscribe: ["activity.*"]
      durables:
        - {name: plain, queues: [activity.calibration], ackWait: 10s, maxDeliver: 3}
        - {name: slow, queues: [activity.infrastructure], ackWait: 3s, maxDeliver: 20}
        - {name: shared, queues: [activity.too], ackWait: 30s, maxDeliver: 20}
        - {name: ending, queues: [activity.core_program], ackWait: 4s, maxDeliver: 20}
"""
)
MISSION_SECRETS = {"svom-credentials": {"password": "secret"}}

MUTUAL = (
    HEAD.replace("NAME", "mutual")
    + """
  replicas: 1
  tls: {clientCertificates: Required}
  users:
    - {name: svom, publish: [data.vhf], subscribe: [data.vhf]}
    - {name: desk, subscribe: [data.vhf], authentication: NKey}
"""
)

FALLS = (
    HEAD.replace("NAME", "falls")
    + """
  users:
    - {name: producer, publish: [data.vhf], subscribe: [data.vhf]}
    - name: worker
      subscribe: [data.vhf]
      durables: [{name: all, queues: [data.vhf], ackWait: 10s, maxDeliver: 1000}]
"""
)

CHANGING = (
    HEAD.replace("NAME", "changing")
    + """
  replicas: 1
  users:
    - {name: svom, publish: [data.vhf], secretRef: {name: svom-credentials}}
"""
)
