//! The error codes that EC2 clients know, each with its HTTP status.

macro_rules! codes {
    ($($status:literal { $($name:ident $text:literal)* })*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = concat!("`", $text, "`, ", $status)] $name,)*)*
        }

        impl Code {
            /// As clients see it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($(Code::$name => $text,)*)*
                }
            }

            /// The HTTP status that it comes with. Clients repeat what fails with 500 and 503, so that
            /// all that repeating does not mend has one below.
            pub fn status(self) -> u16 {
                match self {
                    $($(Code::$name)|* => $status,)*
                }
            }

            #[cfg(test)]
            pub(crate) const ALL: &'static [Code] = &[$($(Code::$name,)*)*];
        }
    };
}

codes! {
    400 {
        // Requests.
        FilterLimitExceeded "FilterLimitExceeded"
        IncompleteBody "IncompleteBody"
        IncompleteSignature "IncompleteSignature"
        InvalidAction "InvalidAction"
        InvalidNextToken "InvalidNextToken"
        InvalidParameter "InvalidParameter"
        InvalidParameterCombination "InvalidParameterCombination"
        InvalidParameterValue "InvalidParameterValue"
        InvalidRequest "InvalidRequest"
        InvalidUserIdMalformed "InvalidUserID.Malformed"
        MalformedQueryString "MalformedQueryString"
        MissingAction "MissingAction"
        MissingParameter "MissingParameter"
        RequestEntityTooLarge "RequestEntityTooLarge"
        RequestExpired "RequestExpired"
        UnknownParameter "UnknownParameter"
        Unsupported "Unsupported"
        UnsupportedOperation "UnsupportedOperation"
        // Of all kinds of things.
        DependencyViolation "DependencyViolation"
        IdempotentParameterMismatch "IdempotentParameterMismatch"
        IncorrectState "IncorrectState"
        InvalidId "InvalidID"
        // Amazon uses one word for it and for wrong credentials, with another status.
        NotAuthorized "AuthFailure"
        OperationNotPermitted "OperationNotPermitted"
        // Addresses.
        AddressLimitExceeded "AddressLimitExceeded"
        InsufficientAddressCapacity "InsufficientAddressCapacity"
        InvalidAddressNotFound "InvalidAddress.NotFound"
        InvalidAddressInUse "InvalidIPAddress.InUse"
        InvalidAllocationIdMalformed "InvalidAllocationID.Malformed"
        InvalidAllocationIdNotFound "InvalidAllocationID.NotFound"
        InvalidAssociationIdNotFound "InvalidAssociationID.NotFound"
        ResourceAlreadyAssociated "Resource.AlreadyAssociated"
        // Images.
        InvalidAmiAttributeItemValue "InvalidAMIAttributeItemValue"
        InvalidAmiIdMalformed "InvalidAMIID.Malformed"
        InvalidAmiIdNotFound "InvalidAMIID.NotFound"
        InvalidAmiIdUnavailable "InvalidAMIID.Unavailable"
        InvalidAmiNameDuplicate "InvalidAMIName.Duplicate"
        InvalidAmiNameMalformed "InvalidAMIName.Malformed"
        // Instances.
        IncorrectInstanceState "IncorrectInstanceState"
        InstanceLimitExceeded "InstanceLimitExceeded"
        InstanceCreditSpecificationNotSupported "InstanceCreditSpecification.NotSupported"
        InsufficientInstanceCapacity "InsufficientInstanceCapacity"
        InvalidInstanceId "InvalidInstanceID"
        InvalidInstanceIdMalformed "InvalidInstanceID.Malformed"
        InvalidInstanceIdNotFound "InvalidInstanceID.NotFound"
        InvalidBlockDeviceMapping "InvalidBlockDeviceMapping"
        InvalidInstanceType "InvalidInstanceType"
        UnsupportedHibernationConfiguration "UnsupportedHibernationConfiguration"
        InvalidUserDataMalformed "InvalidUserData.Malformed"
        InvalidZoneNotFound "InvalidZone.NotFound"
        VcpuLimitExceeded "VcpuLimitExceeded"
        // Key pairs.
        InvalidKeyFormat "InvalidKey.Format"
        InvalidKeyPairDuplicate "InvalidKeyPair.Duplicate"
        InvalidKeyPairFormat "InvalidKeyPair.Format"
        InvalidKeyPairNotFound "InvalidKeyPair.NotFound"
        KeyPairLimitExceeded "KeyPairLimitExceeded"
        // Networks.
        InvalidAttachmentIdNotFound "InvalidAttachmentID.NotFound"
        InvalidDhcpOptionsIdMalformed "InvalidDhcpOptionsId.Malformed"
        InvalidDhcpOptionsIdNotFound "InvalidDhcpOptionID.NotFound"
        InvalidInternetGatewayIdMalformed "InvalidInternetGatewayId.Malformed"
        InvalidInternetGatewayIdNotFound "InvalidInternetGatewayID.NotFound"
        InvalidNetworkAclIdMalformed "InvalidNetworkAclId.Malformed"
        InvalidNetworkAclIdNotFound "InvalidNetworkAclID.NotFound"
        InvalidNetworkInterfaceIdMalformed "InvalidNetworkInterfaceId.Malformed"
        InvalidNetworkInterfaceIdNotFound "InvalidNetworkInterfaceID.NotFound"
        InvalidPrefixListIdNotFound "InvalidPrefixListID.NotFound"
        InvalidRegion "InvalidRegion"
        InvalidRouteTableIdMalformed "InvalidRouteTableId.Malformed"
        InvalidRouteTableIdNotFound "InvalidRouteTableID.NotFound"
        InvalidSubnetIdMalformed "InvalidSubnetID.Malformed"
        InvalidSubnetIdNotFound "InvalidSubnetID.NotFound"
        InvalidVpcIdMalformed "InvalidVpcID.Malformed"
        InvalidVpcIdNotFound "InvalidVpcID.NotFound"
        VpcLimitExceeded "VpcLimitExceeded"
        // Security groups.
        CannotDelete "CannotDelete"
        InvalidGroupDuplicate "InvalidGroup.Duplicate"
        InvalidGroupIdMalformed "InvalidGroupId.Malformed"
        InvalidGroupInUse "InvalidGroup.InUse"
        InvalidGroupNotFound "InvalidGroup.NotFound"
        InvalidGroupReserved "InvalidGroup.Reserved"
        InvalidPermissionDuplicate "InvalidPermission.Duplicate"
        InvalidPermissionMalformed "InvalidPermission.Malformed"
        InvalidPermissionNotFound "InvalidPermission.NotFound"
        InvalidSecurityGroupRuleIdMalformed "InvalidSecurityGroupRuleId.Malformed"
        InvalidSecurityGroupRuleIdNotFound "InvalidSecurityGroupRuleId.NotFound"
        RulesPerSecurityGroupLimitExceeded "RulesPerSecurityGroupLimitExceeded"
        SecurityGroupLimitExceeded "SecurityGroupLimitExceeded"
        SecurityGroupsPerInstanceLimitExceeded "SecurityGroupsPerInstanceLimitExceeded"
        SecurityGroupsPerInterfaceLimitExceeded "SecurityGroupsPerInterfaceLimitExceeded"
        // Tags.
        TagLimitExceeded "TagLimitExceeded"
        // Volumes and snapshots.
        InsufficientVolumeCapacity "InsufficientVolumeCapacity"
        InvalidAttachmentNotFound "InvalidAttachment.NotFound"
        InvalidSnapshotIdMalformed "InvalidSnapshotID.Malformed"
        InvalidSnapshotInUse "InvalidSnapshot.InUse"
        InvalidSnapshotNotFound "InvalidSnapshot.NotFound"
        InvalidVolumeIdMalformed "InvalidVolumeID.Malformed"
        InvalidVolumeModificationNotFound "InvalidVolumeModification.NotFound"
        InvalidVolumeNotFound "InvalidVolume.NotFound"
        InvalidVolumeZoneMismatch "InvalidVolume.ZoneMismatch"
        SnapshotLimitExceeded "SnapshotLimitExceeded"
        VolumeInUse "VolumeInUse"
        VolumeLimitExceeded "VolumeLimitExceeded"
        // What a farm has none of.
        InvalidBundleIdNotFound "InvalidBundleID.NotFound"
        InvalidCarrierGatewayIdNotFound "InvalidCarrierGatewayID.NotFound"
        InvalidConversionTaskId "InvalidConversionTaskId"
        InvalidCustomerGatewayIdNotFound "InvalidCustomerGatewayID.NotFound"
        InvalidEgressOnlyInternetGatewayIdNotFound "InvalidEgressOnlyInternetGatewayId.NotFound"
        InvalidHostIdNotFound "InvalidHostID.NotFound"
        InvalidLaunchTemplateIdNotFound "InvalidLaunchTemplateId.NotFound"
        InvalidLaunchTemplateNameNotFound "InvalidLaunchTemplateName.NotFoundException"
        InvalidPlacementGroupUnknown "InvalidPlacementGroup.Unknown"
        InvalidReservedInstancesId "InvalidReservedInstancesId"
        InvalidSpotInstanceRequestIdNotFound "InvalidSpotInstanceRequestID.NotFound"
        InvalidVpcEndpointIdNotFound "InvalidVpcEndpointId.NotFound"
        InvalidVpcPeeringConnectionIdNotFound "InvalidVpcPeeringConnectionID.NotFound"
        InvalidVpnConnectionIdNotFound "InvalidVpnConnectionID.NotFound"
        InvalidVpnGatewayIdNotFound "InvalidVpnGatewayID.NotFound"
        NatGatewayNotFound "NatGatewayNotFound"
    }
    401 {
        AuthFailure "AuthFailure"
    }
    403 {
        Blocked "Blocked"
        UnauthorizedOperation "UnauthorizedOperation"
    }
    412 {
        DryRunOperation "DryRunOperation"
    }
    500 {
        InternalError "InternalError"
    }
    503 {
        RequestLimitExceeded "RequestLimitExceeded"
        Unavailable "Unavailable"
    }
}
