# A machine with a key, a group, an address and a volume, on a farm.
#
#     export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… TF_VAR_endpoint=http://HOST:7480/
#     terraform init && terraform apply
#
# docs/ec2/terraform.md goes through it.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "endpoint" {
  description = "Where the EC2 endpoint is"
  type        = string
}

variable "image" {
  description = "Name of the image"
  type        = string
  default     = "debian-13"
}

variable "flavor" {
  type    = string
  default = "m1.small"
}

variable "zone" {
  description = "Availability zone: the class of hosts that run instances"
  type        = string
  default     = "workers"
}

variable "public_key" {
  description = "File with the public key to log in with"
  type        = string
  default     = "~/.ssh/id_ed25519.pub"
}

provider "aws" {
  region = "us-east-1"

  # There is no Amazon behind it.
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true

  endpoints {
    ec2 = var.endpoint
  }
}

data "aws_ami" "image" {
  owners      = ["amazon", "self"]
  most_recent = true

  filter {
    name   = "name"
    values = [var.image]
  }
}

resource "aws_key_pair" "login" {
  key_name   = "analysis"
  public_key = file(pathexpand(var.public_key))
}

resource "aws_security_group" "ssh" {
  name        = "analysis"
  description = "ssh from everywhere"

  ingress {
    from_port   = 22
    to_port     = 22
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_instance" "analysis" {
  ami                    = data.aws_ami.image.id
  instance_type          = var.flavor
  availability_zone      = var.zone
  key_name               = aws_key_pair.login.key_name
  vpc_security_group_ids = [aws_security_group.ssh.id]

  user_data = <<-EOF
    #!/bin/sh
    echo "made by terraform" > /etc/motd
  EOF

  tags = {
    Name = "analysis"
  }
}

resource "aws_ebs_volume" "data" {
  availability_zone = var.zone
  size              = 10

  tags = {
    Name = "analysis-data"
  }
}

resource "aws_volume_attachment" "data" {
  device_name = "/dev/sdh"
  volume_id   = aws_ebs_volume.data.id
  instance_id = aws_instance.analysis.id
}

resource "aws_eip" "analysis" {
  domain   = "vpc"
  instance = aws_instance.analysis.id
}

output "address" {
  value = aws_eip.analysis.public_ip
}
