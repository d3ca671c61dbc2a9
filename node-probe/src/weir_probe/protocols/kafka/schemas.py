"""The messages of Kafka, of all published versions. Written by scripts/kafka_schemas.py from kafka-clients-3.9.1, kafka-clients-4.1.1.

A program says what a message's body is made of, a letter for each value:

    1 2 4 8 u  so many bytes (u: 16)            T  topic                    E  error code
    s  string                                   U  topic id                 M  error message
    b  bytes                                    P  partition                A  acks
    [ ]  array                                  G  group                    O  offset
    ( )  structure, or null                     X  transactional id         R  records
    _  tagged fields

Responses end with what is of interest. Versions from `flexible` on have compact strings, bytes and arrays (KIP-482).
"""

# fmt: off
# ruff: noqa: E501
from typing import Final, NamedTuple


class Api(NamedTuple):
    """Programs come with the first and last version that they are of."""

    key: int
    name: str
    flexible: int
    requests: tuple[tuple[int, int, str], ...]
    responses: tuple[tuple[int, int, str], ...]


APIS: Final = (
    Api(0, 'Produce', 9, ((0, 2, 'A4[T[PR]]'), (3, 8, 'XA4[T[PR]]'), (9, 12, 'XA4[T[PR_]_]_'), (13, 13, 'XA4[U[PR_]_]_')), ((0, 1, '[T[PEO]]'), (2, 4, '[T[PEO8]]'), (5, 7, '[T[PEO88]]'), (8, 8, '[T[PEO88[4s]M]]'), (9, 12, '[T[PEO88[4s_]M_]_]'), (13, 13, '[U[PEO88[4s_]M_]_]'))),
    Api(1, 'Fetch', 12, ((0, 2, '444[T[PO4]]'), (3, 3, '4444[T[PO4]]'), (4, 4, '44441[T[PO4]]'), (5, 6, '44441[T[PO84]]'), (7, 8, '4444144[T[PO84]][T[P]]'), (9, 10, '4444144[T[P4O84]][T[P]]'), (11, 11, '4444144[T[P4O84]][T[P]]s'), (12, 12, '4444144[T[P4O484_]_][T[P]_]s_'), (13, 14, '4444144[U[P4O484_]_][U[P]_]s_'), (15, 18, '444144[U[P4O484_]_][U[P]_]s_')), ((0, 0, '[T[PE8R]]'), (1, 3, '4[T[PE8R]]'), (4, 4, '4[T[PE88[88]R]]'), (5, 6, '4[T[PE888[88]R]]'), (7, 10, '4E4[T[PE888[88]R]]'), (11, 11, '4E4[T[PE888[88]4R]]'), (12, 12, '4E4[T[PE888[88_]4R_]_]'), (13, 18, '4E4[U[PE888[88_]4R_]_]'))),
    Api(2, 'ListOffsets', 6, ((0, 0, '4[T[P84]]'), (1, 1, '4[T[P8]]'), (2, 3, '41[T[P8]]'), (4, 5, '41[T[P48]]'), (6, 9, '41[T[P48_]_]_'), (10, 10, '41[T[P48_]_]4_')), ((0, 0, '[T[PE[8]]]'), (1, 1, '[T[PE88]]'), (2, 3, '4[T[PE88]]'), (4, 5, '4[T[PE884]]'), (6, 10, '4[T[PE884_]_]'))),
    Api(3, 'Metadata', 9, ((0, 3, '[T]'), (4, 7, '[T]1'), (8, 8, '[T]111'), (9, 9, '[T_]111_'), (10, 10, '[UT_]111_'), (11, 13, '[UT_]11_')), ((0, 0, '[4s4][ET[EP4[4][4]]]'), (1, 1, '[4s4s]4[ET1[EP4[4][4]]]'), (2, 2, '[4s4s]s4[ET1[EP4[4][4]]]'), (3, 4, '4[4s4s]s4[ET1[EP4[4][4]]]'), (5, 6, '4[4s4s]s4[ET1[EP4[4][4][4]]]'), (7, 7, '4[4s4s]s4[ET1[EP44[4][4][4]]]'), (8, 8, '4[4s4s]s4[ET1[EP44[4][4][4]]4]'), (9, 9, '4[4s4s_]s4[ET1[EP44[4][4][4]_]4_]'), (10, 12, '4[4s4s_]s4[ETU1[EP44[4][4][4]_]4_]'), (13, 13, '4[4s4s_]s4[ETU1[EP44[4][4][4]_]4_]E'))),
    Api(4, 'LeaderAndIsr', 4, ((0, 0, '44[TP444[4]4[4]][4s4]'), (1, 1, '44[TP444[4]4[4]1][4s4]'), (2, 2, '448[T[P444[4]4[4]1]][4s4]'), (3, 3, '448[T[P444[4]4[4][4][4]1]][4s4]'), (4, 4, '448[T[P444[4]4[4][4][4]1_]_][4s4_]_'), (5, 5, '4481[TU[P444[4]4[4][4][4]1_]_][4s4_]_'), (6, 6, '4481[TU[P444[4]4[4][4][4]11_]_][4s4_]_'), (7, 7, '41481[TU[P444[4]4[4][4][4]11_]_][4s4_]_')), ((0, 3, 'E[TPE]'), (4, 4, 'E[TPE_]'), (5, 7, 'E[U[PE_]_]'))),
    Api(5, 'StopReplica', 2, ((0, 0, '441[TP]'), (1, 1, '4481[T[P]]'), (2, 2, '4481[T[P]_]_'), (3, 3, '448[T[P41_]_]_'), (4, 4, '4148[T[P41_]_]_')), ((0, 1, 'E[TPE]'), (2, 4, 'E[TPE_]'))),
    Api(6, 'UpdateMetadata', 6, ((0, 0, '44[TP444[4]4[4]][4s4]'), (1, 1, '44[TP444[4]4[4]][4[4s2]]'), (2, 2, '44[TP444[4]4[4]][4[4s2]s]'), (3, 3, '44[TP444[4]4[4]][4[4ss2]s]'), (4, 4, '44[TP444[4]4[4][4]][4[4ss2]s]'), (5, 5, '448[T[P444[4]4[4][4]]][4[4ss2]s]'), (6, 6, '448[T[P444[4]4[4][4]_]_][4[4ss2_]s_]_'), (7, 7, '448[TU[P444[4]4[4][4]_]_][4[4ss2_]s_]_'), (8, 8, '4148[TU[P444[4]4[4][4]_]_][4[4ss2_]s_]_')), ((0, 8, 'E'),)),
    Api(7, 'ControlledShutdown', 3, ((0, 1, '4'), (2, 2, '48'), (3, 3, '48_')), ((0, 2, 'E[TP]'), (3, 3, 'E[TP_]'))),
    Api(8, 'OffsetCommit', 8, ((0, 0, 'G[T[P8s]]'), (1, 1, 'G4s[T[P88s]]'), (2, 4, 'G4s8[T[P8s]]'), (5, 5, 'G4s[T[P8s]]'), (6, 6, 'G4s[T[P84s]]'), (7, 7, 'G4ss[T[P84s]]'), (8, 9, 'G4ss[T[P84s_]_]_'), (10, 10, 'G4ss[U[P84s_]_]_')), ((0, 2, '[T[PE]]'), (3, 7, '4[T[PE]]'), (8, 9, '4[T[PE_]_]'), (10, 10, '4[U[PE_]_]'))),
    Api(9, 'OffsetFetch', 6, ((0, 5, 'G[T[P]]'), (6, 6, 'G[T[P]_]_'), (7, 7, 'G[T[P]_]1_'), (8, 8, '[G[T[P]_]_]1_'), (9, 9, '[Gs4[T[P]_]_]1_'), (10, 10, '[Gs4[U[P]_]_]1_')), ((0, 1, '[T[P8sE]]'), (2, 2, '[T[P8sE]]E'), (3, 4, '4[T[P8sE]]E'), (5, 5, '4[T[P84sE]]E'), (6, 7, '4[T[P84sE_]_]E'), (8, 9, '4[G[T[P84sE_]_]E_]'), (10, 10, '4[G[U[P84sE_]_]E_]'))),
    Api(10, 'FindCoordinator', 3, ((0, 0, 's'), (1, 2, 's1'), (3, 3, 's1_'), (4, 6, '1[s]_')), ((0, 0, 'E'), (1, 3, '4EM'), (4, 6, '4[s4s4EM_]'))),
    Api(11, 'JoinGroup', 6, ((0, 0, 'G4ss[sb]'), (1, 4, 'G44ss[sb]'), (5, 5, 'G44sss[sb]'), (6, 7, 'G44sss[sb_]_'), (8, 9, 'G44sss[sb_]s_')), ((0, 1, 'E'), (2, 9, '4E'))),
    Api(12, 'Heartbeat', 4, ((0, 2, 'G4s'), (3, 3, 'G4ss'), (4, 4, 'G4ss_')), ((0, 0, 'E'), (1, 4, '4E'))),
    Api(13, 'LeaveGroup', 4, ((0, 2, 'Gs'), (3, 3, 'G[ss]'), (4, 4, 'G[ss_]_'), (5, 5, 'G[sss_]_')), ((0, 0, 'E'), (1, 2, '4E'), (3, 3, '4E[ssE]'), (4, 5, '4E[ssE_]'))),
    Api(14, 'SyncGroup', 4, ((0, 2, 'G4s[sb]'), (3, 3, 'G4ss[sb]'), (4, 4, 'G4ss[sb_]_'), (5, 5, 'G4ssss[sb_]_')), ((0, 0, 'E'), (1, 5, '4E'))),
    Api(15, 'DescribeGroups', 5, ((0, 2, '[G]'), (3, 4, '[G]1'), (5, 6, '[G]1_')), ((0, 0, '[EGsss[sssbb]]'), (1, 2, '4[EGsss[sssbb]]'), (3, 3, '4[EGsss[sssbb]4]'), (4, 4, '4[EGsss[ssssbb]4]'), (5, 5, '4[EGsss[ssssbb_]4_]'), (6, 6, '4[EMGsss[ssssbb_]4_]'))),
    Api(16, 'ListGroups', 3, ((0, 2, ''), (3, 3, '_'), (4, 4, '[s]_'), (5, 5, '[s][s]_')), ((0, 0, 'E[Gs]'), (1, 2, '4E[Gs]'), (3, 3, '4E[Gs_]'), (4, 4, '4E[Gss_]'), (5, 5, '4E[Gsss_]'))),
    Api(17, 'SaslHandshake', 1000, ((0, 1, 's'),), ((0, 1, 'E'),)),
    Api(18, 'ApiVersions', 3, ((0, 2, ''), (3, 4, 'ss_')), ((0, 4, 'E'),)),
    Api(19, 'CreateTopics', 5, ((0, 0, '[T42[P[4]][ss]]4'), (1, 4, '[T42[P[4]][ss]]41'), (5, 7, '[T42[P[4]_][ss_]_]41_')), ((0, 0, '[TE]'), (1, 1, '[TEM]'), (2, 4, '4[TEM]'), (5, 6, '4[TEM42[ss111_]_]'), (7, 7, '4[TUEM42[ss111_]_]'))),
    Api(20, 'DeleteTopics', 4, ((0, 3, '[T]4'), (4, 5, '[T]4_'), (6, 6, '[TU_]4_')), ((0, 0, '[TE]'), (1, 3, '4[TE]'), (4, 4, '4[TE_]'), (5, 5, '4[TEM_]'), (6, 6, '4[TUEM_]'))),
    Api(21, 'DeleteRecords', 2, ((0, 1, '[T[P8]]4'), (2, 2, '[T[P8_]_]4_')), ((0, 1, '4[T[P8E]]'), (2, 2, '4[T[P8E_]_]'))),
    Api(22, 'InitProducerId', 2, ((0, 1, 'X4'), (2, 2, 'X4_'), (3, 5, 'X482_'), (6, 6, 'X48211_')), ((0, 6, '4E'),)),
    Api(23, 'OffsetForLeaderEpoch', 4, ((0, 1, '[T[P4]]'), (2, 2, '[T[P44]]'), (3, 3, '4[T[P44]]'), (4, 4, '4[T[P44_]_]_')), ((0, 0, '[T[EP8]]'), (1, 1, '[T[EP48]]'), (2, 3, '4[T[EP48]]'), (4, 4, '4[T[EP48_]_]'))),
    Api(24, 'AddPartitionsToTxn', 3, ((0, 2, 'X82[T[P]]'), (3, 3, 'X82[T[P]_]_'), (4, 5, '[X821[T[P]_]_]_')), ((0, 2, '4[T[P2]]'), (3, 3, '4[T[P2_]_]'), (4, 5, '4E[X[T[P2_]_]_]'))),
    Api(25, 'AddOffsetsToTxn', 3, ((0, 2, 'X82G'), (3, 4, 'X82G_')), ((0, 4, '4E'),)),
    Api(26, 'EndTxn', 3, ((0, 2, 'X821'), (3, 5, 'X821_')), ((0, 5, '4E'),)),
    Api(27, 'WriteTxnMarkers', 1, ((0, 0, '[821[T[P]]4]'), (1, 1, '[821[T[P]_]4_]_')), ((0, 0, '[8[T[PE]]]'), (1, 1, '[8[T[PE_]_]_]'))),
    Api(28, 'TxnOffsetCommit', 3, ((0, 1, 'XG82[T[P8s]]'), (2, 2, 'XG82[T[P84s]]'), (3, 5, 'XG824ss[T[P84s_]_]_')), ((0, 2, '4[T[PE]]'), (3, 5, '4[T[PE_]_]'))),
    Api(29, 'DescribeAcls', 2, ((0, 0, '1sss11'), (1, 1, '1s1ss11'), (2, 3, '1s1ss11_')), ((0, 3, '4EM'),)),
    Api(30, 'CreateAcls', 2, ((0, 0, '[1sss11]'), (1, 1, '[1s1ss11]'), (2, 3, '[1s1ss11_]_')), ((0, 1, '4[EM]'), (2, 3, '4[EM_]'))),
    Api(31, 'DeleteAcls', 2, ((0, 0, '[1sss11]'), (1, 1, '[1s1ss11]'), (2, 3, '[1s1ss11_]_')), ((0, 0, '4[EM[EM1sss11]]'), (1, 1, '4[EM[EM1s1ss11]]'), (2, 3, '4[EM[EM1s1ss11_]_]'))),
    Api(32, 'DescribeConfigs', 4, ((0, 0, '[1s[s]]'), (1, 2, '[1s[s]]1'), (3, 3, '[1s[s]]11'), (4, 4, '[1s[s]_]11_')), ((0, 0, '4[EM1s[ss111]]'), (1, 2, '4[EM1s[ss111[ss1]]]'), (3, 3, '4[EM1s[ss111[ss1]1s]]'), (4, 4, '4[EM1s[ss111[ss1_]1s_]_]'))),
    Api(33, 'AlterConfigs', 2, ((0, 1, '[1s[ss]]1'), (2, 2, '[1s[ss_]_]1_')), ((0, 1, '4[EM1s]'), (2, 2, '4[EM1s_]'))),
    Api(34, 'AlterReplicaLogDirs', 2, ((0, 1, '[s[T[P]]]'), (2, 2, '[s[T[P]_]_]_')), ((0, 1, '4[T[PE]]'), (2, 2, '4[T[PE_]_]'))),
    Api(35, 'DescribeLogDirs', 2, ((0, 1, '[T[P]]'), (2, 4, '[T[P]_]_')), ((0, 1, '4[Es[T[P881]]]'), (2, 2, '4[Es[T[P881_]_]_]'), (3, 3, '4E[Es[T[P881_]_]_]'), (4, 4, '4E[Es[T[P881_]_]88_]'))),
    Api(36, 'SaslAuthenticate', 2, ((0, 1, 'b'), (2, 2, 'b_')), ((0, 2, 'EM'),)),
    Api(37, 'CreatePartitions', 2, ((0, 1, '[T4[[4]]]41'), (2, 3, '[T4[[4]_]_]41_')), ((0, 1, '4[TEM]'), (2, 3, '4[TEM_]'))),
    Api(38, 'CreateDelegationToken', 2, ((0, 1, '[ss]8'), (2, 2, '[ss_]8_'), (3, 3, 'ss[ss_]8_')), ((0, 3, 'E'),)),
    Api(39, 'RenewDelegationToken', 2, ((0, 1, 'b8'), (2, 2, 'b8_')), ((0, 2, 'E'),)),
    Api(40, 'ExpireDelegationToken', 2, ((0, 1, 'b8'), (2, 2, 'b8_')), ((0, 2, 'E'),)),
    Api(41, 'DescribeDelegationToken', 2, ((0, 1, '[ss]'), (2, 3, '[ss_]_')), ((0, 3, 'E'),)),
    Api(42, 'DeleteGroups', 2, ((0, 1, '[G]'), (2, 2, '[G]_')), ((0, 1, '4[GE]'), (2, 2, '4[GE_]'))),
    Api(43, 'ElectLeaders', 2, ((0, 0, '[T[P]]4'), (1, 1, '1[T[P]]4'), (2, 2, '1[T[P]_]4_')), ((0, 0, '4[T[PEM]]'), (1, 1, '4E[T[PEM]]'), (2, 2, '4E[T[PEM_]_]'))),
    Api(44, 'IncrementalAlterConfigs', 1, ((0, 0, '[1s[s1s]]1'), (1, 1, '[1s[s1s_]_]1_')), ((0, 0, '4[EM1s]'), (1, 1, '4[EM1s_]'))),
    Api(45, 'AlterPartitionReassignments', 0, ((0, 0, '4[T[P[4]_]_]_'), (1, 1, '41[T[P[4]_]_]_')), ((0, 0, '4EM[T[PEM_]_]'), (1, 1, '41EM[T[PEM_]_]'))),
    Api(46, 'ListPartitionReassignments', 0, ((0, 0, '4[T[P]_]_'),), ((0, 0, '4EM[T[P[4][4][4]_]_]'),)),
    Api(47, 'OffsetDelete', 1000, ((0, 0, 'G[T[P]]'),), ((0, 0, 'E4[T[PE]]'),)),
    Api(48, 'DescribeClientQuotas', 1, ((0, 0, '[s1s]1'), (1, 1, '[s1s_]1_')), ((0, 1, '4EM'),)),
    Api(49, 'AlterClientQuotas', 1, ((0, 0, '[[ss][s81]]1'), (1, 1, '[[ss_][s81_]_]1_')), ((0, 0, '4[EM[ss]]'), (1, 1, '4[EM[ss_]_]'))),
    Api(50, 'DescribeUserScramCredentials', 0, ((0, 0, '[s_]_'),), ((0, 0, '4EM[sEM[14_]_]'),)),
    Api(51, 'AlterUserScramCredentials', 0, ((0, 0, '[s1_][s14bb_]_'),), ((0, 0, '4[sEM_]'),)),
    Api(52, 'Vote', 0, ((0, 0, 's[T[P4448_]_]_'), (1, 1, 's4[T[P44uu48_]_]_'), (2, 2, 's4[T[P44uu481_]_]_')), ((0, 2, 'E[T[PE441_]_]'),)),
    Api(53, 'BeginQuorumEpoch', 1, ((0, 0, 's[T[P44]]'), (1, 1, 's4[T[Pu44_]_][ss2_]_')), ((0, 0, 'E[T[PE44]]'), (1, 1, 'E[T[PE44_]_]'))),
    Api(54, 'EndQuorumEpoch', 1, ((0, 0, 's[T[P44[4]]]'), (1, 1, 's[T[P44[4u_]_]_][ss2_]_')), ((0, 0, 'E[T[PE44]]'), (1, 1, 'E[T[PE44_]_]'))),
    Api(55, 'DescribeQuorum', 0, ((0, 2, '[T[P_]_]_'),), ((0, 0, 'E[T[PE448[48_][48_]_]_]'), (1, 1, 'E[T[PE448[4888_][4888_]_]_]'), (2, 2, 'EM[T[PEM448[4u888_][4u888_]_]_]'))),
    Api(56, 'AlterPartition', 0, ((0, 0, '48[T[P4[4]4_]_]_'), (1, 1, '48[T[P4[4]14_]_]_'), (2, 2, '48[U[P4[4]14_]_]_'), (3, 3, '48[U[P4[48_]14_]_]_')), ((0, 0, '4E[T[PE44[4]4_]_]'), (1, 1, '4E[T[PE44[4]14_]_]'), (2, 3, '4E[U[PE44[4]14_]_]'))),
    Api(57, 'UpdateFeatures', 0, ((0, 0, '4[s21_]_'), (1, 2, '4[s21_]1_')), ((0, 1, '4EM[sEM_]'), (2, 2, '4EM'))),
    Api(58, 'Envelope', 0, ((0, 0, 'bbb_'),), ((0, 0, 'bE'),)),
    Api(59, 'FetchSnapshot', 0, ((0, 1, '44[T[P484_8_]_]_'),), ((0, 1, '4E[T[PE84_88R_]_]'),)),
    Api(60, 'DescribeCluster', 0, ((0, 0, '1_'), (1, 1, '11_'), (2, 2, '111_')), ((0, 2, '4EM'),)),
    Api(61, 'DescribeProducers', 0, ((0, 0, '[T[P]_]_'),), ((0, 0, '4[T[PEM[844848_]_]_]'),)),
    Api(62, 'BrokerRegistration', 0, ((0, 0, '4su[ss22_][s22_]s_'), (1, 1, '4su[ss22_][s22_]s1_'), (2, 2, '4su[ss22_][s22_]s1[u]_'), (3, 4, '4su[ss22_][s22_]s1[u]8_')), ((0, 4, '4E'),)),
    Api(63, 'BrokerHeartbeat', 0, ((0, 1, '48811_'),), ((0, 1, '4E'),)),
    Api(64, 'UnregisterBroker', 0, ((0, 0, '4_'),), ((0, 0, '4EM'),)),
    Api(65, 'DescribeTransactions', 0, ((0, 0, '[X]_'),), ((0, 0, '4[EXs4882[T[P]_]_]'),)),
    Api(66, 'ListTransactions', 0, ((0, 0, '[s][8]_'), (1, 1, '[s][8]8_'), (2, 2, '[s][8]8s_')), ((0, 2, '4E[s][X8s_]'),)),
    Api(67, 'AllocateProducerIds', 0, ((0, 0, '48_'),), ((0, 0, '4E'),)),
    Api(68, 'ConsumerGroupHeartbeat', 0, ((0, 0, 'Gs4ss4[T]s[U[P]_]_'), (1, 1, 'Gs4ss4[T]ss[U[P]_]_')), ((0, 1, '4EMs44([U[P]_]_)'),)),
    Api(69, 'ConsumerGroupDescribe', 0, ((0, 1, '[G]1_'),), ((0, 0, '4[EMGs44s[sss4ss[T]s[UT[P]_]_[UT[P]_]__]4_]'), (1, 1, '4[EMGs44s[sss4ss[T]s[UT[P]_]_[UT[P]_]_1_]4_]'))),
    Api(70, 'ControllerRegistration', 0, ((0, 0, '4u1[ss22_][s22_]_'),), ((0, 0, '4EM'),)),
    Api(71, 'GetTelemetrySubscriptions', 0, ((0, 0, 'u_'),), ((0, 0, '4E'),)),
    Api(72, 'PushTelemetry', 0, ((0, 0, 'u411b_'),), ((0, 0, '4E'),)),
    Api(73, 'AssignReplicasToDirs', 0, ((0, 0, '48[u[U[P_]_]_]_'),), ((0, 0, '4E[u[U[PE_]_]_]'),)),
    Api(74, 'ListConfigResources', 0, ((0, 0, '_'), (1, 1, '[1]_')), ((0, 1, '4E'),)),
    Api(75, 'DescribeTopicPartitions', 0, ((0, 0, '[T_]4(TP_)_'),), ((0, 0, '4[ETU1[EP44[4][4][4][4][4]_]4_](TP_)'),)),
    Api(76, 'ShareGroupHeartbeat', 0, ((0, 0, 'Gs4s[s]_'), (1, 1, 'Gs4s[T]_')), ((0, 1, '4EMs44([U[P]_]_)'),)),
    Api(77, 'ShareGroupDescribe', 0, ((0, 1, '[G]1_'),), ((0, 1, '4[EMGs44s[ss4ss[T][UT[P]_]__]4_]'),)),
    Api(78, 'ShareFetch', 0, ((0, 0, 'Gs4444[U[P4[88[1]_]_]_][U[P]_]_'), (1, 1, 'Gs444444[U[P[88[1]_]_]_][U[P]_]_')), ((0, 0, '4EM[U[PEM2s44_R[882_]_]_]'), (1, 1, '4EM4[U[PEM2s44_R[882_]_]_]'))),
    Api(79, 'ShareAcknowledge', 0, ((0, 1, 'Gs4[U[P[88[1]_]_]_]_'),), ((0, 1, '4EM[U[PEM44__]_]'),)),
    Api(80, 'AddRaftVoter', 0, ((0, 0, 's44u[ss2_]_'),), ((0, 0, '4EM'),)),
    Api(81, 'RemoveRaftVoter', 0, ((0, 0, 's4u_'),), ((0, 0, '4EM'),)),
    Api(82, 'UpdateRaftVoter', 0, ((0, 0, 's44u[ss2_]22__'),), ((0, 0, '4E'),)),
    Api(83, 'InitializeShareGroupState', 0, ((0, 0, 's[U[P48_]_]_'),), ((0, 0, '[U[PEM_]_]'),)),
    Api(84, 'ReadShareGroupState', 0, ((0, 0, 's[U[P4_]_]_'),), ((0, 0, '[U[PEM48[8812_]_]_]'),)),
    Api(85, 'WriteShareGroupState', 0, ((0, 0, 's[U[P448[8812_]_]_]_'),), ((0, 0, '[U[PEM_]_]'),)),
    Api(86, 'DeleteShareGroupState', 0, ((0, 0, 's[U[P_]_]_'),), ((0, 0, '[U[PEM_]_]'),)),
    Api(87, 'ReadShareGroupStateSummary', 0, ((0, 0, 's[U[P4_]_]_'),), ((0, 0, '[U[PEM448_]_]'),)),
    Api(88, 'StreamsGroupHeartbeat', 0, ((0, 0, 'Gs44ss4(4[s[T][s][TP2[ss_]_][T][TP2[ss_]_][[2][2][2]_]_]_)[s[P]_][s[P]_][s[P]_]s(s2_)[ss_][sP8_][sP8_]1_'),), ((0, 0, '4EMs4444[1s_][s[P]_][s[P]_][s[P]_]4[s2_[T[P]_][T[P]_]_]'),)),
    Api(89, 'StreamsGroupDescribe', 0, ((0, 0, '[G]1_'),), ((0, 0, '4[EMGs44(4[s[T][T][TP2[ss_]_][TP2[ss_]_]_]_)[s4ssss4s(s2_)[ss_][sP8_][sP8_][s[P]_][s[P]_][s[P]_]_[s[P]_][s[P]_][s[P]_]_1_]4_]'),)),
    Api(90, 'DescribeShareGroupOffsets', 0, ((0, 0, '[G[T[P]_]_]_'),), ((0, 0, '4[G[TU[P84EM_]_]EM_]'),)),
    Api(91, 'AlterShareGroupOffsets', 0, ((0, 0, 'G[T[P8_]_]_'),), ((0, 0, '4EM[TU[PEM_]_]'),)),
    Api(92, 'DeleteShareGroupOffsets', 0, ((0, 0, 'G[T_]_'),), ((0, 0, '4EM[TUEM_]'),)),
)
